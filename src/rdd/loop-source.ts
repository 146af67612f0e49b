import type { Openings } from '../executor/closure/index.js';
import type { RowStepKind } from '../scheduler/step.js';

/** A row operator as the generated loop sees it; `keys` and `values` take no function. */
export interface RowOperator {
  readonly kind: RowStepKind;
  readonly fn?: (row: any) => any;
  /** Of `fn`, where it takes a pair apart. */
  readonly openings?: Pick<Openings, 'depth' | 'pair' | 'nested'>;
  /** For errors: `map at job.ts:12`. */
  readonly name: string;
}

export type RowSink =
  /** Rows, in `state.out`. */
  | { readonly kind: 'array' }
  | { readonly kind: 'count' }
  /** Left fold; without a zero the first row starts it. */
  | { readonly kind: 'fold'; readonly fn: (accumulated: any, row: any) => any }
  /** The same while the result is a number. */
  | { readonly kind: 'foldNumbers'; readonly fn: (accumulated: any, row: any) => any }
  | { readonly kind: 'foreach'; readonly fn: (row: any) => any }
  /** Rows are pairs; each goes to `state.into.add(key, value)`. */
  | { readonly kind: 'pairs' }
  /** Rows are pairs; values of a key are merged in `state.into`, a CombineTable. Without `create` the first value starts. */
  | {
      readonly kind: 'combine';
      readonly create?: (value: any) => any;
      readonly merge: (combined: any, value: any) => any;
    };

/** Where a loop's rows come from. */
export type LoopInput = 'array' | 'numbers' | 'pairs' | 'joined' | 'range' | 'integers' | 'int32';

/** What a row is at a point of the loop: one variable, or a pair that no array has been made for, perhaps with another in it. */
type RowText = string | PairText;
type PairText = { readonly key: string; readonly value: RowText };

/** What a loop reads once, and each turn, and what a row is then. Adding is exact for whole numbers, and saves a product. */
const INPUTS: Record<LoopInput, { readonly once: string; readonly turn: string; readonly row: RowText }> = {
  array: { once: '', turn: 'const v = rows[i];', row: 'v' },
  numbers: { once: '', turn: 'const v = rows[i];', row: 'v' },
  pairs: {
    once: 'const keys = rows.keys, values = rows.values;',
    turn: 'const k = keys[i], v = values[i];',
    row: { key: 'k', value: 'v' },
  },
  joined: {
    once: 'const keys = rows.keys, lefts = rows.lefts, rights = rows.rights;',
    turn: 'const k = keys[i], l = lefts[i], r = rights[i];',
    row: { key: 'k', value: { key: 'l', value: 'r' } },
  },
  range: {
    once: 'const start = rows.from, step = rows.step, first = rows.first;',
    turn: 'const v = start + (first + i) * step;',
    row: 'v',
  },
  int32: {
    once: 'const step = rows.step | 0; let next = (rows.from + (rows.first + from) * rows.step) | 0;',
    turn: 'const v = next; next = (next + step) | 0;',
    row: 'v',
  },
  integers: {
    once: 'const step = rows.step; let next = rows.from + (rows.first + from) * step;',
    turn: 'const v = next; next += step;',
    row: 'v',
  },
};

/** The text of the loop: pure, so that tests can read it. `at` is the operator whose function runs, for errors. */
export function loopSource(operators: readonly RowOperator[], sink: RowSink, input: LoopInput): string {
  const { once, turn, row } = INPUTS[input];
  const body = new LoopBody(row);
  for (const [index, operator] of operators.entries()) body.operator(operator, index);
  body.sink(sink, operators.length);
  const called = [...operators.map((_, index) => `f${index}`), 'sink', 'create'];
  return `'use strict';
return function stageLoop(rows, from, to, state, functions, names, openings) {
  const ${[...called.map((name, index) => `${name} = functions[${index}]`), ...body.opened].join(', ')};
  const out = state.out, into = state.into;
  let count = state.count, acc = state.accumulated, started = state.started, at = 0;
  ${sink.kind === 'foldNumbers' ? FOLD_NUMBERS_ONCE : ''}
  ${once}${sink.kind === 'combine' ? 'let combined = into.numbers;' : ''}
  try {
    for (let i = from; i < to; i++) {
      ${turn}
      ${body.text()}
    }
  } catch (error) {
    throw failures.operatorFailure(error, names[at]);
  }
  state.count = count; state.accumulated = ${sink.kind === 'foldNumbers' ? 'numeric ? sum : acc' : 'acc'}; state.started = started;
};`;
}

/** The inside of a loop, operator by operator. */
class LoopBody {
  readonly #lines: string[] = [];
  readonly #ends: string[] = [];
  /** Constants for functions that take a row's parts. */
  readonly opened: string[] = [];
  #row: RowText;
  #arrays = 0;

  constructor(row: RowText) {
    this.#row = row;
  }

  text(): string {
    return [...this.#lines, ...this.#ends].join('\n      ');
  }

  operator(operator: RowOperator, index: number): void {
    const { kind } = operator;
    const result = `v${index}`;
    if (kind === 'keys') this.#row = this.#pair(index).key;
    else if (kind === 'values') this.#row = this.#pair(index).value;
    else if (kind === 'map') {
      this.#call(operator, index, result);
      this.#row = result;
    } else if (kind === 'keyBy') {
      this.#call(operator, index, result);
      this.#row = { key: result, value: this.#row };
    } else if (kind === 'filter') {
      this.#call(operator, index, result);
      this.#open(`if (${result}) {`, '}');
    } else if (kind === 'flatMap') {
      this.#call(operator, index, result);
      this.#row = this.#each(index, result);
    } else {
      const { key, value } = this.#pair(index);
      this.#row = value;
      this.#call(operator, index, result);
      this.#row = { key, value: kind === 'mapValues' ? result : this.#each(index, result) };
    }
  }

  sink(sink: RowSink, index: number): void {
    if (sink.kind === 'array') this.#lines.push(`out.push(${this.#whole(index)});`);
    else if (sink.kind === 'count') this.#lines.push('count++;');
    else if (sink.kind === 'pairs') {
      const { key, value } = this.#wholes(index);
      this.#lines.push(`at = ${index}; into.add(${key}, ${value});`);
    } else if (sink.kind === 'combine')
      this.#lines.push(combineText(this.#wholes(index), index, sink.create !== undefined));
    else if (sink.kind === 'foreach')
      this.#lines.push(`at = ${index}; const done = sink(${this.#whole(index)}); ${promiseCheck('done')}`);
    else if (sink.kind === 'fold') this.#lines.push(foldText(this.#whole(index), index));
    else this.#lines.push(foldNumbersText(this.#whole(index), index));
  }

  /** Calls the operator's function with the row, or with its parts if the function takes just these apart. */
  #call({ openings }: RowOperator, index: number, result: string): void {
    const row = this.#row;
    let call: string;
    if (!openings || typeof row === 'string') call = `f${index}(${this.#whole(index)})`;
    else if (openings.depth === 2 && typeof row.value !== 'string') {
      this.opened.push(`h${index} = openings[${index}].nested`);
      call = `h${index}(${row.key}, ${this.#made(row.value.key, index)}, ${this.#made(row.value.value, index)})`;
    } else {
      this.opened.push(`g${index} = openings[${index}].pair`);
      const { key, value } = this.#wholes(index);
      call = `g${index}(${key}, ${value})`;
    }
    this.#lines.push(`at = ${index}; const ${result} = ${call}; ${promiseCheck(result)}`);
  }

  #open(head: string, end: string): void {
    this.#lines.push(head);
    this.#ends.unshift(end);
  }

  /** Goes over what a function gave; a generator goes on running between its rows. */
  #each(index: number, result: string): string {
    this.#lines.push(
      `if (${result} === null || ${result} === undefined || typeof ${result}[Symbol.iterator] !== 'function') failures.refuseScalar(names[at], ${result});`,
    );
    this.#open(`for (const each${index} of ${result}) {`, `at = ${index}; }`);
    return `each${index}`;
  }

  /** The row as one value: here an array for a pair is made, if it has to be. */
  #whole(index: number): string {
    const made = this.#made(this.#row, index);
    this.#row = made;
    return made;
  }

  #made(row: RowText, index: number): string {
    if (typeof row === 'string') return row;
    const name = `row${index}_${this.#arrays++}`;
    this.#lines.push(`const ${name} = [${row.key}, ${this.#made(row.value, index)}];`);
    return name;
  }

  /** The row's key and value, each as one value. */
  #wholes(index: number): { readonly key: string; readonly value: string } {
    const { key, value } = this.#pair(index);
    const pair = { key, value: this.#made(value, index) };
    this.#row = pair;
    return pair;
  }

  #pair(index: number): PairText {
    if (typeof this.#row !== 'string') return this.#row;
    const row = this.#row;
    const pair = { key: `key${index}`, value: `value${index}` };
    this.#lines.push(
      `at = ${index}; if (!Array.isArray(${row}) || ${row}.length !== 2) failures.refuseRow(names[at], ${row});`,
      `const ${pair.key} = ${row}[0], ${pair.value} = ${row}[1];`,
    );
    this.#row = pair;
    return pair;
  }
}

function foldText(row: string, at: number): string {
  return `at = ${at};
      if (started) { acc = sink(acc, ${row}); ${promiseCheck('acc')} }
      else { acc = ${row}; started = true; }`;
}

/** A number that has been in `double` is no small integer for V8: a sum of these would, once too large, be a reason to begin anew. */
const FOLD_NUMBERS_ONCE = 'let numeric = true; double[0] = acc; let sum = double[0];';

/** The result has a variable of its own, which V8 keeps in a register; one that may be anything else as well would be an object. */
function foldNumbersText(row: string, at: number): string {
  return `at = ${at};
      if (numeric) { const r = sink(sum, ${row}); if (typeof r === 'number') sum = r; else { numeric = false; acc = r; ${promiseCheck('acc')} } }
      else { acc = sink(acc, ${row}); ${promiseCheck('acc')} }`;
}

/** The user's function is called here and not in the table, whose code all programs share. */
function combineText({ key, value }: { key: string; value: string }, at: number, creates: boolean): string {
  const first = creates ? `const first = create(${value}); ${promiseCheck('first')}` : `const first = ${value};`;
  return `at = ${at}; const entry = into.locate(${key});
      if (entry < 0) { ${first} into.append(${key}, first); combined = into.numbers; }
      else if (combined !== undefined) {
        const r = sink(combined[entry], ${value});
        if (typeof r === 'number') combined[entry] = r;
        else { ${promiseCheck('r')} into.set(entry, r); combined = undefined; }
      } else { const r = sink(into.get(entry), ${value}); ${promiseCheck('r')} into.set(entry, r); }`;
}

function promiseCheck(value: string): string {
  return `if (typeof ${value} === 'object' && ${value} !== null && typeof ${value}.then === 'function') failures.refusePromise(names[at]);`;
}
