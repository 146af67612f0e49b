import type { Data } from 'apache-arrow';
import type { StepFunction } from '../fused-chain.js';
import { operatorFailure } from '../operator-failure.js';
import { readerOf, typedOf } from './column-reader.js';

/** What the function gives for each row, from `from` on. */
type Loop = (fn: StepFunction['call'], columns: readonly unknown[], length: number, out: unknown[]) => void;

/** Of one function by the kinds of its columns: V8 inlines a function only into a loop that calls no other. */
const loops = new WeakMap<StepFunction, Map<string, Loop>>();

/** Calls a function with the values of some columns, row by row; no object a row is made. */
export function callByColumns(fn: StepFunction, columns: readonly Data[], length: number, name: string): unknown[] {
  const typed = columns.map(typedOf);
  const kinds = typed.map((values) => (values ? 't' : 'r')).join('');
  const known = loops.get(fn) ?? new Map<string, Loop>();
  loops.set(fn, known);
  const loop = known.get(kinds) ?? compile(kinds);
  known.set(kinds, loop);
  const out: unknown[] = [];
  try {
    loop(
      fn.call,
      typed.map((values, k) => values ?? readerOf(columns[k]!)),
      length,
      out,
    );
  } catch (error) {
    throw operatorFailure(error, name);
  }
  return out;
}

function compile(kinds: string): Loop {
  const names = [...kinds].map((_, k) => `c${k}`);
  const values = [...kinds].map((kind, k) => (kind === 't' ? `c${k}[row]` : `c${k}(row)`));
  return new Function(
    ...['fn', 'columns', 'length', 'out'],
    `const [${names.join(', ')}] = columns;
     for (let row = 0; row < length; row++) out.push(fn(${values.join(', ')}));`,
  ) as Loop;
}
