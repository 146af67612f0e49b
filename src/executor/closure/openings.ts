import type { AnyFunction } from './function-type.js';

/** `([key, value]) =>` or `([key, [left, right]]) =>`: names alone, so that nothing is lost when the brackets go. */
const PAIR = /^(\(\s*)\[(\s*[\w$]+\s*,\s*)(?:([\w$]+)|\[(\s*[\w$]+\s*,\s*[\w$]+\s*)\])(\s*)\](\s*\)\s*=>)/;

/**
 * An arrow function that takes a pair apart in its parameter, made again without the brackets: who has the parts calls it with these, and
 * no array is made and gone through, which V8 does not always save itself. Names keep their line and column.
 */
export class Openings {
  /** How deep the parameter takes apart: 0, 1 for `[a, b]`, 2 for `[a, [b, c]]`. */
  readonly depth: 0 | 1 | 2;
  readonly #text: string;
  readonly #make: (text: string) => AnyFunction;
  #pair: AnyFunction | undefined;
  #nested: AnyFunction | undefined;

  /** @param make a function of another text, with what this one has captured */
  constructor(text: string, make: (text: string) => AnyFunction) {
    const found = PAIR.exec(text);
    this.depth = found ? (found[4] === undefined ? 1 : 2) : 0;
    this.#text = text;
    this.#make = make;
  }

  /** Of depth 1 and 2: takes key and value. */
  get pair(): AnyFunction {
    const opened = (_: string, head: string, key: string, value: string, inner: string, space: string, end: string) =>
      `${head} ${key}${value ?? `[${inner}]`}${space} ${end}`;
    this.#pair ??= this.#make(this.#text.replace(PAIR, opened));
    return this.#pair;
  }

  /** Of depth 2: takes the key and both parts of the value. */
  get nested(): AnyFunction {
    this.#nested ??= this.#make(this.#text.replace(PAIR, '$1 $2 $4 $5 $6'));
    return this.#nested;
  }
}

const known = new WeakMap<AnyFunction, Openings>();

/** Of a function that `restoreFunction` made; undefined where it takes nothing apart, or keeps something from call to call. */
export function openingsOf(fn: AnyFunction): Openings | undefined {
  return known.get(fn);
}

export function keepOpenings(fn: AnyFunction, openings: Openings): void {
  if (openings.depth > 0) known.set(fn, openings);
}
