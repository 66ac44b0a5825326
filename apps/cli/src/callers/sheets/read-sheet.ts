import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { UsageError } from '../../command.js';

/** The fields of one job. */
export interface Row {
  /** From 1; empty lines and the header do not count. */
  readonly line: number;
  /** From a CSV file: its non-empty cells by column, as texts. From a JSONL file: the object of the line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Sheet {
  readonly kind: 'csv' | 'jsonl';
  readonly rows: readonly Row[];
}

/** Reads a CSV file with a header, or a file with a JSON object in each line. Throws a UsageError. */
export async function readSheet(path: string): Promise<Sheet> {
  const extension = extname(path).toLowerCase();
  if (extension === '.csv') return { kind: 'csv', rows: numbered(readCsv(await readFile(path, 'utf8'), path)) };
  if (extension === '.jsonl') return { kind: 'jsonl', rows: numbered(readLines(await readFile(path, 'utf8'), path)) };
  throw new UsageError(`${path} is neither a .csv nor a .jsonl file.`);
}

function numbered(all: readonly Readonly<Record<string, unknown>>[]): Row[] {
  return all.map((fields, at) => ({ line: at + 1, fields }));
}

function readCsv(text: string, path: string): Record<string, string>[] {
  try {
    const rows: Record<string, string>[] = parse(text, {
      bom: true,
      columns: true,
      skip_empty_lines: true,
      trim: true,
    });
    return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, cell]) => cell !== '')));
  } catch (error) {
    throw new UsageError(`${path} is not a CSV file with a header: ${error instanceof Error ? error.message : error}.`);
  }
}

function readLines(text: string, path: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return [];
    const value = parsed(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new UsageError(`Line ${at + 1} of ${path} is not a JSON object.`);
    }
    return [value as Record<string, unknown>];
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
