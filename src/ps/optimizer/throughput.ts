import type { StepTime } from './goodput.js';

/** Steps with one batch, as they were measured. Seconds; means over all members. */
export interface MeasuredSteps {
  /** Rows of a global step. */
  readonly batch: number;
  /** Of a step: computing gradients. */
  readonly compute: number;
  /** Of a step: merging, updating, waiting for others. */
  readonly exchange: number;
}

/** What came last counts: machines' loads change. */
const REMEMBERED = 3;

/**
 * What steps take on the machines at hand, learnt from what they took (Pollux, section 4.1): computing is linear in the rows,
 * exchanging takes the same whatever they are. Of each batch the shortest of its last three measurements is taken, as what is
 * not the step itself (compiling a graph, other processes) only ever adds to it.
 *
 * ```ts
 * const throughput = new Throughput();
 * throughput.add({ batch: 256, compute: 0.9, exchange: 0.3 });
 * throughput.add({ batch: 512, compute: 1.5, exchange: 0.3 });
 * throughput.time(); // { fixed: 0.3, perRow: 0.6 / 256, exchange: 0.3 }
 * ```
 */
export class Throughput {
  readonly #measured = new Map<number, readonly MeasuredSteps[]>();

  add(steps: MeasuredSteps): void {
    const known = this.#measured.get(steps.batch) ?? [];
    this.#measured.set(steps.batch, [...known.slice(1 - REMEMBERED), steps]);
  }

  /** undefined until two batches have been measured: one does not tell what a row takes from what a step takes. */
  time(): StepTime | undefined {
    const points = [...this.#measured].map(([batch, all]) => ({
      batch,
      compute: Math.min(...all.map(({ compute }) => compute)),
      exchange: Math.min(...all.map(({ exchange }) => exchange)),
    }));
    if (points.length < 2) return undefined;
    const exchange = points.reduce((sum, point) => sum + point.exchange, 0) / points.length;
    return { ...linear(points), exchange };
  }
}

/** Least squares of the relative errors of `fixed + perRow x batch`, neither below 0. */
function linear(points: readonly { readonly batch: number; readonly compute: number }[]) {
  let [w, wb, wbb, wt, wbt] = [0, 0, 0, 0, 0];
  for (const { batch, compute } of points) {
    const weight = 1 / Math.max(compute, 1e-9) ** 2;
    w += weight;
    wb += weight * batch;
    wbb += weight * batch * batch;
    wt += weight * compute;
    wbt += weight * batch * compute;
  }
  const perRow = (w * wbt - wb * wt) / (w * wbb - wb * wb);
  const fixed = (wt - perRow * wb) / w;
  if (fixed < 0) return { fixed: 0, perRow: wbt / wbb };
  return perRow < 0 ? { fixed: wt / w, perRow: 0 } : { fixed, perRow };
}
