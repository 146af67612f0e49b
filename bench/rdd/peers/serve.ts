import { createInterface } from 'node:readline';

export type Run = (...fields: string[]) => Promise<readonly number[]> | readonly number[];

/**
 * A peer's side of the protocol: a line of stdin names a case and its arguments, separated by tabs; a line of stdout that
 * begins with @@ answers in JSON, with what `measured` adds. Ends with stdin.
 */
export async function serve(
  cases: Readonly<Record<string, Run>>,
  measured: () => Readonly<Record<string, number>> = () => ({}),
): Promise<void> {
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...fields] = line.split('\t') as [string, ...string[]];
    try {
      const start = performance.now();
      const check = await cases[name]!(...fields);
      answer({ ms: performance.now() - start, check, ...measured() });
    } catch (error) {
      answer({ error: String(error).split('\n')[0]! });
    }
  }
}

function answer(line: object): void {
  process.stdout.write(`@@${JSON.stringify(line)}\n`);
}
