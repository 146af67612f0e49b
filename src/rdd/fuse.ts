import { NumberRange } from './chunks.js';
import { operatorFailure, refusePromise, refuseScalar } from './operator-failure.js';

/**
 * Whole-stage fusion: a chain of row operators and what is done with their rows become one generated loop. Each call
 * compiles afresh, because a loop that many pipelines share turns megamorphic and six times slower.
 */
export interface RowOperator {
  readonly kind: 'map' | 'filter' | 'flatMap';
  readonly fn: (row: any) => any;
  /** For errors: `map at job.ts:12`. */
  readonly name: string;
}

export type RowSink =
  | { readonly kind: 'array' }
  | { readonly kind: 'count' }
  /** Left fold; without a zero the first row starts it. */
  | { readonly kind: 'fold'; readonly fn: (accumulated: any, row: any) => any }
  | { readonly kind: 'foreach'; readonly fn: (row: any) => any };

/** Accumulates over the chunks of a partition. */
export interface LoopState {
  readonly out: unknown[];
  count: number;
  accumulated: unknown;
  started: boolean;
}

export type RowSource = readonly unknown[] | NumberRange;
export type FusedLoop = (rows: RowSource, state: LoopState) => void;

/**
 * Operators of one loop; a longer chain becomes several loops with arrays between them. V8 stops optimising functions
 * of more than 60 KiB of bytecode and inlines less and less well before.
 */
export const SEGMENT_OPERATORS = 32;

/** A state as it is before the first row. */
export function emptyState(zero?: { readonly value: unknown }): LoopState {
  return { out: [], count: 0, accumulated: zero?.value, started: zero !== undefined };
}

/**
 * Compiles a chain; the loop throws a FailureError that names the operator whose function threw, or returned a promise.
 * @param sinkName for errors, as an operator's name
 */
export function fuse(operators: readonly RowOperator[], sink: RowSink, sinkName: string): FusedLoop {
  const loops: FusedLoop[] = [];
  let from = 0;
  for (; operators.length - from > SEGMENT_OPERATORS; from += SEGMENT_OPERATORS)
    loops.push(compile(operators.slice(from, from + SEGMENT_OPERATORS), { kind: 'array' }, sinkName));
  const last = compile(operators.slice(from), sink, sinkName);
  if (loops.length === 0) return last;
  return (rows, state) => {
    let between = rows;
    for (const loop of loops) {
      const part = emptyState();
      loop(between, part);
      between = part.out;
    }
    last(between, state);
  };
}

function compile(operators: readonly RowOperator[], sink: RowSink, sinkName: string): FusedLoop {
  const functions = [...operators.map(({ fn }) => fn), 'fn' in sink ? sink.fn : undefined];
  const names = [...operators.map(({ name }) => name), sinkName];
  const make = (input: LoopInput): FusedLoop =>
    new Function('functions', 'names', 'failures', loopSource(operators, sink, input))(functions, names, failures);
  const loops: Partial<Record<LoopInput, FusedLoop>> = {};
  return (rows, state) => {
    const input = rows instanceof NumberRange ? (rows.whole ? 'integers' : 'range') : 'array';
    loops[input] ??= make(input);
    loops[input](rows, state);
  };
}

const failures = { operatorFailure, refusePromise, refuseScalar };

type LoopInput = 'array' | 'range' | 'integers';

/** Where a loop's rows come from: what it reads once, and each turn. Adding is exact for whole numbers, and saves a product. */
const INPUTS: Record<LoopInput, readonly [string, string]> = {
  array: ['', 'const v = rows[i];'],
  range: ['const from = rows.from, step = rows.step, first = rows.first;', 'const v = from + (first + i) * step;'],
  integers: ['const step = rows.step; let next = rows.from + rows.first * step;', 'const v = next; next += step;'],
};

/** The text of the loop: pure, so that tests can read it. `at` is the operator whose function runs, for errors. */
export function loopSource(operators: readonly RowOperator[], sink: RowSink, input: LoopInput): string {
  const body: string[] = [];
  const ends: string[] = [];
  let row = 'v';
  for (const [index, { kind }] of operators.entries()) {
    const result = `v${index}`;
    body.push(`at = ${index}; const ${result} = f${index}(${row}); ${promiseCheck(result)}`);
    if (kind === 'map') row = result;
    if (kind === 'filter') {
      body.push(`if (${result}) {`);
      ends.unshift('}');
    }
    if (kind === 'flatMap') {
      row = `each${index}`;
      body.push(
        `if (${result} === null || ${result} === undefined || typeof ${result}[Symbol.iterator] !== 'function') failures.refuseScalar(names[at], ${result});`,
        `for (const ${row} of ${result}) {`,
      );
      ends.unshift(`at = ${index}; }`); // a generator goes on running between its rows
    }
  }
  body.push(sinkSource(sink, row, operators.length), ...ends);
  const [once, eachTurn] = INPUTS[input];
  return `'use strict';
const [${operators.map((_, index) => `f${index}, `).join('')}sink] = functions;
return function stageLoop(rows, state) {
  const out = state.out, length = rows.length;
  let count = state.count, acc = state.accumulated, started = state.started, at = 0;
  let numeric = typeof acc === 'number', sum = numeric ? +acc : 0;
  ${once}
  try {
    for (let i = 0; i < length; i++) {
      ${eachTurn}
      ${body.join('\n      ')}
    }
  } catch (error) {
    throw failures.operatorFailure(error, names[at]);
  }
  state.count = count; state.accumulated = numeric ? sum : acc; state.started = started;
};`;
}

function sinkSource(sink: RowSink, row: string, at: number): string {
  if (sink.kind === 'array') return `out.push(${row});`;
  if (sink.kind === 'count') return 'count++;';
  if (sink.kind === 'foreach') return `at = ${at}; const done = sink(${row}); ${promiseCheck('done')}`;
  // While the result is a number it stays in a variable of its own, which V8 keeps in a register, not in an object.
  return `at = ${at};
      if (numeric) { const r = sink(sum, ${row}); if (typeof r === 'number') sum = r; else { numeric = false; acc = r; ${promiseCheck('acc')} } }
      else if (started) { acc = sink(acc, ${row}); ${promiseCheck('acc')} }
      else { acc = ${row}; started = true; }`;
}

function promiseCheck(value: string): string {
  return `if (typeof ${value} === 'object' && ${value} !== null && typeof ${value}.then === 'function') failures.refusePromise(names[at]);`;
}
