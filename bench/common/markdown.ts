import type { Interval } from './statistics.js';

/** A table under its title; nothing without rows. */
export function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [`${title}\n`, line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

/** `median [least, most]`; nothing when it is not known. */
export function spread(values: Interval | undefined, form: (value: number) => string): string {
  return values ? `${form(values.median)} [${form(values.least)}, ${form(values.most)}]` : '';
}
