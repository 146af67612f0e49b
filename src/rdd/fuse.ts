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

export type FusedLoop = (rows: ArrayLike<unknown>, state: LoopState) => void;

/** Thrown by the generated loop: a function that is not declared async returned a promise. */
export function refusePromise(operator: string): never {
  throw new TypeError(
    `the function of ${operator} returned a promise; declare it "async" (map, filter, flatMap, foreach and mapPartitions take async functions; reduce and aggregate do not)`,
  );
}

export function fuse(operators: readonly RowOperator[], sink: RowSink, sinkName: string): FusedLoop {
  const functions = [...operators.map(({ fn }) => fn), 'fn' in sink ? sink.fn : undefined];
  const names = [...operators.map(({ name }) => name), sinkName];
  const source = loopSource(operators, sink);
  return new Function('functions', 'names', 'refusePromise', source)(functions, names, refusePromise);
}

/** The text of the loop: pure, so that tests can read it. */
export function loopSource(operators: readonly RowOperator[], sink: RowSink): string {
  const last = operators.length;
  const check = (value: string, at: number) =>
    `if (typeof ${value} === 'object' && ${value} !== null && typeof ${value}.then === 'function') refusePromise(names[${at}]);`;
  const lines: string[] = [];
  let row = 'v';
  let open = 0;
  for (const [index, { kind }] of operators.entries()) {
    const next = `v${index}`;
    if (kind === 'map') lines.push(`const ${next} = f${index}(${row}); ${check(next, index)}`);
    if (kind === 'filter')
      lines.push(`const ${next} = f${index}(${row}); ${check(next, index)} if (!${next}) continue;`);
    if (kind === 'flatMap') {
      lines.push(`const many${index} = f${index}(${row}); ${check(`many${index}`, index)}`);
      lines.push(`for (const ${next} of many${index}) {`);
      open++;
    }
    if (kind !== 'filter') row = next;
  }
  if (sink.kind === 'array') lines.push(`out.push(${row});`);
  if (sink.kind === 'count') lines.push('count++;');
  if (sink.kind === 'foreach') lines.push(`const done = f${last}(${row}); ${check('done', last)}`);
  if (sink.kind === 'fold')
    lines.push(
      `if (started) { acc = f${last}(acc, ${row}); ${check('acc', last)} } else { acc = ${row}; started = true; }`,
    );
  return `'use strict';
const [${functions(operators.length + 1)}] = functions;
return function stageLoop(rows, state) {
  const out = state.out; let count = state.count, acc = state.accumulated, started = state.started;
  for (let i = 0; i < rows.length; i++) {
    const v = rows[i];
    ${lines.join('\n    ')}
    ${'}'.repeat(open)}
  }
  state.count = count; state.accumulated = acc; state.started = started;
};`;
}

function functions(count: number): string {
  return [...Array(count).keys()].map((index) => `f${index}`).join(', ');
}
