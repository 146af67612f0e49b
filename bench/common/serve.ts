import { createInterface } from 'node:readline';

/**
 * A peer's side of the protocol: a line of stdin holds fields, separated by tabs; a line of stdout that begins with @@
 * answers in JSON. Ends with stdin.
 */
export async function serveLines(run: (fields: readonly string[]) => Promise<object> | object): Promise<void> {
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await run(line.split('\t')));
    } catch (error) {
      answer({ error: String(error).split('\n')[0]! });
    }
  }
}

function answer(line: object): void {
  process.stdout.write(`@@${JSON.stringify(line)}\n`);
}
