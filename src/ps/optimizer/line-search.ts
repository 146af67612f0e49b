/** A point on the line: the step's length, the loss there and its slope along the line. */
export interface LinePoint {
  readonly t: number;
  readonly loss: number;
  readonly slope: number;
}

const SUFFICIENT = 1e-4;
const CURVATURE = 0.9;
/** Evaluations to bracket a minimum, and as many again to narrow the bracket, as in Breeze. */
const TRIALS = 10;

/**
 * A step's length that fulfils the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6, with cubic
 * interpolation), as Breeze's StrongWolfeLineSearch, which Spark uses. A generator: it yields the lengths at which it wants to
 * know the line, and gets the points.
 *
 * @param origin the point of length 0; its slope is negative
 * @returns the accepted length, which is the last one it yielded; or undefined when it found none
 */
export function* strongWolfe(origin: LinePoint, first: number): Generator<number, number | undefined, LinePoint> {
  const { loss, slope } = origin;
  const descends = (point: LinePoint) => point.loss <= loss + SUFFICIENT * point.t * slope;
  const flattens = (point: LinePoint) => Math.abs(point.slope) <= CURVATURE * Math.abs(slope);
  let low = origin;
  let t = first;
  for (let trial = 0; trial < TRIALS; trial++) {
    const point: LinePoint = yield t;
    if (!Number.isFinite(point.loss)) {
      t /= 2;
      continue;
    }
    if (!descends(point) || (trial > 0 && point.loss >= low.loss)) return yield* zoom(low, point);
    if (flattens(point)) return point.t;
    if (point.slope >= 0) return yield* zoom(point, low);
    low = point;
    t *= 1.5;
  }
  return undefined;

  function* zoom(from: LinePoint, to: LinePoint): Generator<number, number | undefined, LinePoint> {
    let best = from;
    let other = to;
    for (let trial = 0; trial < TRIALS; trial++) {
      const point: LinePoint = yield best.t > other.t ? between(other, best) : between(best, other);
      if (!descends(point) || point.loss >= best.loss) {
        other = point;
        continue;
      }
      if (flattens(point)) return point.t;
      if (point.slope * (other.t - best.t) >= 0) other = best;
      best = point;
    }
    return undefined;
  }
}

/** The minimum of the cubic through both points, kept away from them (Nocedal and Wright 2006, equation 3.59). */
function between(left: LinePoint, right: LinePoint): number {
  const width = right.t - left.t;
  const d1 = left.slope + right.slope - (3 * (left.loss - right.loss)) / (left.t - right.t);
  const d2 = Math.sqrt(d1 * d1 - left.slope * right.slope);
  const t = right.t - (width * (right.slope + d2 - d1)) / (right.slope - left.slope + 2 * d2);
  if (!Number.isFinite(t)) return left.t + width / 2;
  return Math.min(Math.max(t, left.t + 0.1 * width), left.t + 0.9 * width);
}
