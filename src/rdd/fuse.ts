import { codeOf, type Openings, openingsOf } from '../executor/closure/index.js';
import { Lru } from '../protocol/lru.js';
import { NumberRange } from './chunks.js';
import { JoinedPairs, Pairs } from './columns.js';
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

export type RowSource = readonly unknown[] | Float64Array | Pairs | JoinedPairs | NumberRange;

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

/** A generated loop over the rows from `from` to `to`. What it calls is given each time: it serves all closures of the same code. */
type Loop = (
  rows: RowSource,
  from: number,
  to: number,
  state: LoopState,
  functions: readonly unknown[],
  names: readonly string[],
  openings: readonly (Openings | undefined)[],
) => void;

/** Loops of some hundred stages. They hold code alone: no functions, no rows. */
const MAX_LOOPS = 512;
const warm = new Lru<string, { readonly loop: Loop; fresh: boolean }>(MAX_LOOPS);

/**
 * V8 learns what a loop does, and what comes after it, only by being there, and takes optimised code at the latest when a
 * function is called again. So a fresh loop gets a few rows first, and none gets more than these at once.
 */
const FIRST_ROWS = 1 << 10;
const MAX_ROWS = 1 << 16;

/**
 * One loop for each chain of operators *and* of the code of their functions: it is found warm when the chain comes again,
 * with whatever the functions have captured. A loop that served different code would turn megamorphic, and six times slower.
 */
function compile(chain: readonly RowOperator[], sink: RowSink, sinkName: string): FusedLoop {
  const openings = chain.map(({ fn }) => fn && openingsOf(fn));
  const operators = chain.map((operator, k): RowOperator => ({ ...operator, openings: openings[k] }));
  const functions = [...operators.map(({ fn }) => fn), ...sinkFunctions(sink)];
  const names = [...operators.map(({ name }) => name), sinkName];
  const kinds = operators.map(({ kind }) => kind).join();
  const codes = functions.map((fn) => fn && codeOf(fn)).join();
  const depths = openings.map((each) => each?.depth).join();
  const make = (input: LoopInput, into: RowSink) => {
    const key = `${input}: ${kinds}, ${into.kind}: ${codes}: ${depths}`;
    const known = warm.get(key);
    if (known) return known;
    // V8 recognises code by its text and would take up what it has learnt of others: the key makes each text its own.
    const text = `${loopSource(operators, into, input)}\n// ${key}`;
    const made = { loop: new Function('failures', 'double', text)(failures, double) as Loop, fresh: true };
    warm.set(key, made);
    return made;
  };
  const numbers: RowSink | undefined = sink.kind === 'fold' ? { ...sink, kind: 'foldNumbers' } : undefined;
  const loops: Partial<Record<string, ReturnType<typeof make>>> = {};
  const loopOf = (input: LoopInput, { accumulated }: LoopState) => {
    const into = numbers && typeof accumulated === 'number' ? numbers : sink;
    loops[`${input} ${into.kind}`] ??= make(input, into);
    return loops[`${input} ${into.kind}`]!;
  };
  return (rows, state) => {
    const input = inputOf(rows);
    const { length } = rows;
    // The first row says what a fold's result is, and so which loop takes the rows behind it.
    let most = numbers && !state.started ? 1 : MAX_ROWS;
    for (let from = 0, to = 0; from < length; from = to, most = Math.min(4 * most, MAX_ROWS)) {
      const each = loopOf(input, state);
      to = Math.min(from + (each.fresh ? Math.min(FIRST_ROWS, most) : most), length);
      each.fresh = false;
      each.loop(rows, from, to, state, functions, names, openings);
    }
  };
}

function sinkFunctions(sink: RowSink): ((...args: any[]) => any)[] {
  if (sink.kind === 'combine') return sink.create ? [sink.merge, sink.create] : [sink.merge];
  return 'fn' in sink ? [sink.fn] : [];
}

function inputOf(rows: RowSource): LoopInput {
  if (rows instanceof NumberRange) return rows.whole ? (rows.small ? 'int32' : 'integers') : 'range';
  if (rows instanceof Pairs) return 'pairs';
  if (rows instanceof JoinedPairs) return 'joined';
  return rows instanceof Float64Array ? 'numbers' : 'array';
}

const failures = { operatorFailure, refusePromise, refuseScalar, refuseRow };
const double = new Float64Array(1);
