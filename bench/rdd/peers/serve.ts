import { serveLines } from '../../common/serve.js';

export type Run = (...fields: string[]) => Promise<readonly number[]> | readonly number[];

/** A line names a case and its arguments; the answer holds its time and its result, with what `measured` adds. */
export async function serve(
  cases: Readonly<Record<string, Run>>,
  measured: () => Readonly<Record<string, number>> = () => ({}),
): Promise<void> {
  await serveLines(async ([name, ...fields]) => {
    const start = performance.now();
    const check = await cases[name!]!(...fields);
    return { ms: performance.now() - start, check, ...measured() };
  });
}
