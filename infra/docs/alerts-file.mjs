import { ALERT_RULES, PROMISED_KEY_SECONDS, PROMISED_SECONDS } from '@comfy-fleet/jobs';
import { stringify } from 'yaml';

const HEAD = `# Made by \`npm run docs:alerts\` from packages/jobs/src/alerts. Change it there.
# critical: somebody gets up. warning: somebody looks today. docs/runbook.md says what to do, under the name of the alert.
`;

/** The file infra/prometheus/rules/alerts.yml: the rules that the fleet judges by itself, for Prometheus. */
export function alertsFile() {
  const promises = [
    ...Object.entries(PROMISED_SECONDS).map(([lod, seconds]) => ({
      record: 'comfy_fleet:promised_wait_seconds',
      expr: `vector(${seconds})`,
      labels: { lod },
    })),
    { record: 'comfy_fleet:promised_key_wait_seconds', expr: `vector(${PROMISED_KEY_SECONDS})` },
  ];
  const alerts = ALERT_RULES.map(({ name, severity, holdSeconds, summary, expr, description }) => ({
    alert: name,
    expr,
    ...(holdSeconds === 0 ? {} : { for: `${holdSeconds / 60}m` }),
    labels: { severity },
    annotations: {
      summary: withLabels(summary),
      description: withLabels(description),
      runbook_url: `docs/runbook.md#${name.toLowerCase()}`,
    },
  }));
  return (
    HEAD + stringify({ groups: [{ name: 'comfy-fleet-alerts', rules: [...promises, ...alerts] }] }, { lineWidth: 0 })
  );
}

/** @param {string} text */
function withLabels(text) {
  return text.replace(/\{(\w+)\}/g, '{{ $labels.$1 }}');
}
