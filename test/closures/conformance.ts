import { deepStrictEqual } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { deserialize, serialize } from 'node:v8';
import type { cases as Cases, refused as Refused } from './cases.js';

type Api = typeof import('../../src/executor/closure/index.js');

/** A name and, if the case failed, why. */
export interface Outcome {
  readonly name: string;
  readonly problem?: string;
}

/** What the executor process is given: functions with their arguments, and the bundle they belong to. */
export interface Payload {
  readonly bundle?: { readonly code: string; readonly sha256: string; readonly file: string };
  readonly calls: readonly {
    readonly shipped: import('../../src/executor/closure/index.js').ShippedFunction;
    readonly args: Buffer;
  }[];
}

export type Reply = { readonly value: Buffer } | { readonly error: string };

/** Ships every case from this process, runs them all in one other process, and compares what comes back. */
export function runConformance(
  api: Api,
  { cases, refused }: { cases: typeof Cases; refused: typeof Refused },
  executor: string,
  bundle?: Payload['bundle'],
): Outcome[] {
  const outcomes: Outcome[] = refused.map(({ name, build, message }) =>
    refuse(api, `refused: ${name}`, build, message),
  );
  const shipped = cases.map(({ name, build, args = [] }) => {
    try {
      return { name, call: { shipped: api.shipFunction(build(), { operator: 'map' }), args: api.encodeValue(args) } };
    } catch (error) {
      return { name, problem: (error as Error).stack };
    }
  });
  const calls = shipped.flatMap((each) => each.call ?? []);
  const replies = execute(executor, { bundle, calls });
  for (const [i, each] of shipped.entries()) {
    const reply = each.call && replies[calls.indexOf(each.call)];
    outcomes.push({ name: each.name, problem: reply ? compare(api, reply, cases[i]!.expected) : each.problem });
  }
  return outcomes;
}

export function execute(executor: string, payload: Payload): Reply[] {
  const output = execFileSync(process.execPath, [executor], { input: serialize(payload), maxBuffer: 1 << 28 });
  return deserialize(output);
}

function refuse(api: Api, name: string, build: () => any, message: RegExp): Outcome {
  try {
    api.shipFunction(build(), { operator: 'map' });
    return { name, problem: 'it was shipped' };
  } catch (error) {
    const { name: kind, message: text } = error as Error;
    if (kind !== 'ClosureError') return { name, problem: (error as Error).stack };
    const complete = message.test(text) && /^map: the function \(.*cases.*:\d+:\d+\)/.test(text);
    return complete ? { name } : { name, problem: `said: ${text}` };
  }
}

function compare(api: Api, reply: Reply, expected: unknown): string | undefined {
  if ('error' in reply) return reply.error;
  try {
    const value = api.decodeValue(reply.value);
    if (value instanceof Error) value.stack = (expected as Error).stack;
    deepStrictEqual(value, expected);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
