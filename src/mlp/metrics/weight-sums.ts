/** Sums as they are sent: a key stands as often as its sum has parts. */
export interface SparseSums {
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/**
 * Exact sums of weights by key, of the keys that occur alone: the same bits for every order and partitioning. Whole numbers take one
 * number a key; others an expansion of a few that do not overlap (Shewchuk 1997, GROW-EXPANSION; Python's fsum).
 */
export class WeightSums {
  readonly #sums = new Map<number, number | number[]>();

  add(key: number, weight: number): void {
    if (weight === 0) return;
    const old = this.#sums.get(key) ?? 0;
    if (typeof old === 'number') {
      const sum = old + weight;
      const exact = Number.isSafeInteger(sum) && Number.isInteger(old) && Number.isInteger(weight);
      this.#sums.set(key, exact || old === 0 ? sum : grown([old], weight));
    } else grown(old, weight);
  }

  /** Correctly rounded; 0 for a key that does not occur. */
  get(key: number): number {
    const sum = this.#sums.get(key) ?? 0;
    return typeof sum === 'number' ? sum : rounded(sum);
  }

  /** Ascending. */
  keys(): Float64Array {
    return Float64Array.from(this.#sums.keys()).sort();
  }

  toState(): SparseSums {
    const keys: number[] = [];
    const values: number[] = [];
    for (const [key, sum] of this.#sums)
      for (const part of typeof sum === 'number' ? [sum] : sum) {
        keys.push(key);
        values.push(part);
      }
    return { keys: Float64Array.from(keys), values: Float64Array.from(values) };
  }

  merge({ keys, values }: SparseSums): void {
    for (let i = 0; i < keys.length; i++) this.add(keys[i]!, values[i]!);
  }
}

/** Adds to an expansion, in place: what rounding takes from a sum becomes a part of its own. */
function grown(parts: number[], value: number): number[] {
  let carried = value;
  let kept = 0;
  for (const part of [...parts]) {
    const [large, small] = Math.abs(carried) < Math.abs(part) ? [part, carried] : [carried, part];
    carried = large + small;
    const rest = small - (carried - large);
    if (rest !== 0) parts[kept++] = rest;
  }
  parts.length = kept;
  parts.push(carried);
  return parts;
}

/** The float64 nearest to an expansion's sum, ties to even. */
function rounded(parts: readonly number[]): number {
  let at = parts.length - 1;
  let sum = parts[at] ?? 0;
  let rest = 0;
  while (at > 0 && rest === 0) {
    const before = sum;
    const part = parts[--at]!;
    sum = before + part;
    rest = part - (sum - before);
  }
  // Half way between two numbers, and more of the same sign below.
  if (at > 0 && rest !== 0 && Math.sign(rest) === Math.sign(parts[at - 1]!)) {
    const up = sum + 2 * rest;
    if (up - sum === 2 * rest) return up;
  }
  return sum;
}
