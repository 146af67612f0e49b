import { NumberRange } from './chunks.js';
import { Pairs } from './columns.js';
import { type LoopInput, loopSource, type RowOperator, type RowSink } from './loop-source.js';
import { operatorFailure, refusePromise, refuseRow, refuseScalar } from './operator-failure.js';

export type { RowOperator, RowSink } from './loop-source.js';

/** Accumulates over the chunks of a partition. */
export interface LoopState {
  readonly out: unknown[];
  /** What the sinks `pairs` and `combine` fill. */
  into: unknown;
  count: number;
  accumulated: unknown;
  started: boolean;
}

export type RowSource = readonly unknown[] | Float64Array | Pairs | NumberRange;

/** Whole-stage fusion: a chain of row operators and what is done with their rows as one loop. */
export type FusedLoop = (rows: RowSource, state: LoopState) => void;

/**
 * Operators of one loop; a longer chain becomes several loops with arrays between them. V8 stops optimising functions
 * of more than 60 KiB of bytecode and inlines less and less well before.
 */
export const SEGMENT_OPERATORS = 32;

/** A state as it is before the first row. */
export function emptyState(zero?: { readonly value: unknown }): LoopState {
  return { out: [], into: undefined, count: 0, accumulated: zero?.value, started: zero !== undefined };
}

/**
 * Compiles a chain; the loop throws a FailureError that names the operator whose function threw, or returned a promise.
 * Each call compiles afresh, because a loop that many pipelines share turns megamorphic and six times slower.
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
  const functions = [...operators.map(({ fn }) => fn), ...sinkFunctions(sink)];
  const names = [...operators.map(({ name }) => name), sinkName];
  const make = (input: LoopInput): FusedLoop =>
    new Function('functions', 'names', 'failures', loopSource(operators, sink, input))(functions, names, failures);
  const loops: Partial<Record<LoopInput, FusedLoop>> = {};
  return (rows, state) => {
    const input = inputOf(rows);
    loops[input] ??= make(input);
    loops[input](rows, state);
  };
}

function sinkFunctions(sink: RowSink): unknown[] {
  if (sink.kind === 'combine') return [sink.merge, sink.create];
  return 'fn' in sink ? [sink.fn] : [];
}

function inputOf(rows: RowSource): LoopInput {
  if (rows instanceof NumberRange) return rows.whole ? 'integers' : 'range';
  if (rows instanceof Pairs) return 'pairs';
  return rows instanceof Float64Array ? 'numbers' : 'array';
}

const failures = { operatorFailure, refusePromise, refuseScalar, refuseRow };
