import { ArrowRDD } from 'sheaf';
import { publicMembers } from './api-members.js';
import { type Entry, SPARK, SPARK_VERSION } from './spark-api.js';

/** The Sheaf forms that the page names, those that the reasons of an absence name too. */
export function sheafForms(): string[] {
  const entries = SPARK.flatMap(({ methods }) => Object.values(methods));
  return entries.flatMap((entry: Entry) => {
    if (typeof entry === 'string') return [entry];
    return 'none' in entry ? [...entry.none.matchAll(/`((?:rdd|sc)\..*?)`/g)].map(([, form]) => form!) : [entry[0]];
  });
}

/** Methods that the forms call on an RDD, or on the context. */
export function calledOn(object: 'rdd' | 'sc'): string[] {
  return sheafForms()
    .filter((form) => form.startsWith(`${object}.`))
    .flatMap((form) => [...form.matchAll(/(?:^rdd|^sc|\))\.(\w+)/g)].map(([, name]) => name!));
}

/** docs/spark.md. */
export function sparkPage(): string {
  const entries = SPARK.flatMap(({ methods }) => Object.values(methods));
  const absent = entries.filter((entry) => typeof entry === 'object' && 'none' in entry).length;
  const sections = SPARK.flatMap(({ name, about, methods }) => [
    `## ${name}`,
    about,
    table(
      ['Spark', 'Sheaf', ''],
      Object.entries(methods).map(([method, entry]) => row(method, entry)),
    ),
  ]);
  const named = new Set(calledOn('rdd'));
  const others = publicMembers(ArrowRDD).filter(({ name }) => !named.has(name));
  return `${[
    "# Spark's RDD API in Sheaf",
    `Every public method of the Scala RDD API of Spark ${SPARK_VERSION} (${entries.length} entries), with its form in Sheaf, or the reason why there ` +
      `is none (${absent}). Names mean what they mean in Spark; actions give promises; functions are shipped with what they capture. ` +
      'This page is made from `test/support/spark-api.ts` and the classes themselves by `npx vitest run test/docs -u`; a test compares it.',
    ...sections,
    '## Only in Sheaf',
    'Further methods of RDDs and of tables (`ArrowRDD`).',
    table(
      ['method', ''],
      others.map(({ name, about }) => [`\`${name}\``, about.replaceAll('|', '\\|')]),
    ),
  ].join('\n\n')}\n`;
}

function row(method: string, entry: Entry): string[] {
  const name = `\`${method}\``;
  if (typeof entry === 'string') return [name, `\`${entry}\``, ''];
  return 'none' in entry ? [name, 'none', entry.none] : [name, `\`${entry[0]}\``, entry[1]];
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
