import { existsSync, readFileSync } from 'node:fs';

/**
 * Counts in vitest's JSON report. A test file that could not be loaded has no tests and is one failure.
 * @param {string} path of the report; none is there when vitest could not even begin
 * @returns {{ passed: number, failures: string[] }}
 */
export function countTests(path) {
  if (!existsSync(path)) return { passed: 0, failures: [] };
  /** @type {{ numPassedTests: number, testResults: { name: string, status: string, message: string, assertionResults: { status: string, fullName: string }[] }[] }} */
  const report = JSON.parse(readFileSync(path, 'utf8'));
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${name}: ${test.fullName}`);
    return status === 'failed' && failed.length === 0 ? [`${name}: ${message}`] : failed;
  });
  return { passed: report.numPassedTests, failures };
}
