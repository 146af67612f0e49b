import { transform } from 'esbuild';

const globalEval: (text: string) => any = eval;

/**
 * Runs the examples of a guide as one program, as a reader reads them. A statement `await a(); // => value`, or
 * `a.b; // => value`, becomes a comparison.
 * @param known what the examples take for granted, by name
 * @returns the number of comparisons
 */
export async function runExamples(
  guide: string,
  known: Readonly<Record<string, unknown>>,
  compare: (found: unknown, value: unknown) => void,
): Promise<number> {
  const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code).join('\n');
  const program = examples
    .replace(/^await ((?:(?!;$)[\s\S])*?); \/\/ => (.*)$/gm, (_, found, value) => `check(await ${found}, ${value});`)
    .replace(/^([\w.]+(?: [<>=]+ [\w.]+)?); \/\/ => (.*)$/gm, (_, found, value) => `check(${found}, ${value});`);
  const names = Object.keys(known);
  const { code } = await transform(`async (${[...names, 'check'].join(', ')}) => {\n${program}\n}`, { loader: 'ts' });
  let checks = 0;
  await globalEval(code)(...names.map((name) => known[name]), (found: unknown, value: unknown) => {
    checks++;
    compare(found, value);
  });
  return checks;
}
