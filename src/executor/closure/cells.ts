import type { Refusal } from './error.js';
import type { Cell, Code } from './graph.js';

/** One function's use of one captured variable. */
export interface Use {
  readonly code: Code;
  /** The function's special. */
  readonly index: number;
  readonly name: string;
  readonly slot: number;
  readonly value: unknown;
  readonly assigned: boolean;
  /** The scope the variable belongs to; `certain` if there is only one such scope. */
  readonly key: string;
  readonly certain: boolean;
}

/**
 * A captured variable that a function assigns and another one reads must be one variable on the executor too. At module level
 * that can be arranged. Inside functions V8 does not tell whether two closures share a variable or have one each, made
 * by two calls: what would be a guess is refused.
 */
export class Cells {
  readonly #uses = new Map<string, Use[]>();

  note(use: Use): void {
    const key = `${use.key}:${use.name}`;
    const uses = this.#uses.get(key);
    if (uses) uses.push(use);
    else this.#uses.set(key, [use]);
  }

  /** The cells needed, one for each scope; marks the functions that use them. */
  shared(): Cell[] {
    const cells = new Map<string, { index: number; strict: boolean; names: [string, number, number][] }>();
    for (const uses of this.#contested()) {
      const [first] = uses as [Use, ...Use[]];
      if (!first.certain) continue;
      let cell = cells.get(first.key);
      if (!cell) {
        cell = { index: cells.size, strict: first.code.strict, names: [] };
        cells.set(first.key, cell);
      }
      cell.names.push([first.name, first.index, first.slot]);
      for (const { code, slot } of uses) {
        code.shared.push(slot);
        code.cell = cell.index;
      }
    }
    return [...cells.values()];
  }

  conflict(): (Refusal & { name: string }) | undefined {
    for (const uses of this.#contested()) {
      const [first] = uses as [Use, ...Use[]];
      const texts = new Set(uses.map(({ code }) => code.text));
      if (first.certain || texts.size === 1) continue;
      const names = [...new Set(uses.map(({ code }) => `\`${code.name || 'a function'}\``))].join(' and ');
      return {
        name: first.name,
        noun: `a variable that ${names} use and one of them assigns: each would have a copy of its own`,
        advice: `put it in an object they share (const state = { ${first.name} })`,
      };
    }
    return undefined;
  }

  #contested(): Use[][] {
    return [...this.#uses.values()].filter(
      (uses) =>
        uses.length > 1 &&
        uses.some((use) => use.assigned) &&
        uses.every((use) => Object.is(use.value, uses[0]!.value)),
    );
  }
}
