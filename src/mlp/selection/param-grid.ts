import { shown } from '../../rdd/arguments.js';

/** Values to try for each parameter. */
export type ParamValues<P> = { readonly [K in keyof P]: readonly P[K][] };

/**
 * Every combination, the last parameter changing fastest; scikit-learn's ParameterGrid.
 * @throws TypeError for a parameter without values
 * @example paramGrid({ hidden: [[16], [32, 16]], learningRate: [0.01, 0.001] }) // 4 of { hidden, learningRate }
 */
export function paramGrid<P extends object>(values: ParamValues<P>): P[] {
  let grid: Partial<P>[] = [{}];
  for (const [name, choices] of Object.entries(values) as [keyof P, readonly P[keyof P][]][]) {
    if (!Array.isArray(choices) || choices.length === 0)
      throw new TypeError(`paramGrid: ${String(name)} needs an array of values to try, not ${shown(choices)}`);
    grid = grid.flatMap((params) => choices.map((value) => ({ ...params, [name]: value })));
  }
  return grid as P[];
}

/** As Spark's. @example new ParamGridBuilder().addGrid('hidden', [[16], [32]]).baseOn({ seed: 1 }).build() */
export class ParamGridBuilder<P extends object = Record<never, never>> {
  readonly #values: Record<string, readonly unknown[]>;

  constructor(values: Record<string, readonly unknown[]> = {}) {
    this.#values = values;
  }

  /** Values to try for one more parameter. */
  addGrid<K extends string, V>(name: K, values: readonly V[]): ParamGridBuilder<P & { readonly [N in K]: V }> {
    return new ParamGridBuilder({ ...this.#values, [name]: values });
  }

  /** Parameters that are the same in all combinations. */
  baseOn<B extends object>(params: B): ParamGridBuilder<P & B> {
    const fixed = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, [value]]));
    return new ParamGridBuilder({ ...this.#values, ...fixed });
  }

  /** @throws TypeError for a parameter without values */
  build(): P[] {
    return paramGrid(this.#values as unknown as ParamValues<P>);
  }
}
