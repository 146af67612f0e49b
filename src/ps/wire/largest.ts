/** Bits of a float32 without its sign, as an integer: ordered as the magnitudes are, NaN above all. */
const MAGNITUDE = 0x7fffffff;
const LOW_BITS = 15;
const LOW = (1 << LOW_BITS) - 1;

const high = new Int32Array(1 << 16);
const low = new Int32Array(1 << LOW_BITS);

/**
 * The magnitude (as bits) of the k-th largest of the values by magnitude, and how many values equal to it belong to the
 * k largest: a radix selection in two passes, linear in the number of values, the same for equal values anywhere.
 *
 * @param bits the values' bits
 * @param k 1 … bits.length
 */
export function kthLargest(bits: Int32Array, k: number): { magnitude: number; ties: number } {
  high.fill(0);
  for (let i = 0; i < bits.length; i++) high[(bits[i]! & MAGNITUDE) >>> LOW_BITS]!++;
  const [top, left] = fromTheTop(high, k);
  low.fill(0);
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & MAGNITUDE;
    if (magnitude >>> LOW_BITS === top) low[magnitude & LOW]!++;
  }
  const [bottom, ties] = fromTheTop(low, left);
  return { magnitude: top * (LOW + 1) + bottom, ties };
}

/** The bin in which the k-th largest lies, and its place in it, from 1. */
function fromTheTop(counts: Int32Array, k: number): [bin: number, place: number] {
  let left = k;
  for (let bin = counts.length - 1; ; bin--) {
    if (counts[bin]! >= left) return [bin, left];
    left -= counts[bin]!;
  }
}
