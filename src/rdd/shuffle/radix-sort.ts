/** Four passes sort a double; with 11 bits and six passes it took a third longer. */
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;
const MASK = DIGITS - 1;
const SHIFTS = [0, DIGIT_BITS];
/** Below this clearing and summing the digits' counts costs more than comparing. */
const WORTHWHILE = 1 << 15;

/**
 * The order of numbers, equal ones (-0 and 0 too) in their old order, NaN the greatest. Least-significant-digit radix sort over
 * the bits of the doubles; a digit that all keys share is skipped.
 */
export function orderOfNumbers(keys: Float64Array, descending = false): Uint32Array {
  const length = keys.length;
  const order = Uint32Array.from({ length }, (_, row) => row);
  if (length < WORTHWHILE)
    return order.sort((a, b) => (descending ? compareNumbers(keys[b]!, keys[a]!) : compareNumbers(keys[a]!, keys[b]!)));
  const [low, high] = sortableWords(keys, descending);
  let from = order;
  let to = new Uint32Array(length);
  for (const word of [low, high])
    for (const shift of SHIFTS) {
      const starts = digitStarts(word, shift);
      if (!starts) continue;
      for (let i = 0; i < length; i++) {
        const row = from[i]!;
        to[starts[(word[row]! >>> shift) & MASK]!++] = row;
      }
      [from, to] = [to, from];
    }
  return from;
}

function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return +Number.isNaN(a) - +Number.isNaN(b);
  return a - b;
}

/** The bits of doubles as unsigned numbers of the same order: negative ones inverted, others with the sign bit set. */
function sortableWords(keys: Float64Array, descending: boolean): [Uint32Array, Uint32Array] {
  const bits = new Uint32Array(keys.buffer, keys.byteOffset, 2 * keys.length);
  const inverted = descending ? -1 : 0;
  const low = new Uint32Array(keys.length);
  const high = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const top = key === 0 ? 0 : bits[2 * i + 1]!;
    const flip = top >> 31; // all ones where negative
    low[i] = (Number.isNaN(key) ? -1 : bits[2 * i]! ^ flip) ^ inverted;
    high[i] = (Number.isNaN(key) ? -1 : top ^ (flip | 0x80000000)) ^ inverted;
  }
  return [low, high];
}

/** Where the rows of each digit begin; undefined when all have one digit. */
function digitStarts(word: Uint32Array, shift: number): Uint32Array | undefined {
  const starts = new Uint32Array(DIGITS + 1);
  for (let i = 0; i < word.length; i++) starts[((word[i]! >>> shift) & MASK) + 1]!++;
  if (starts[((word[0]! >>> shift) & MASK) + 1] === word.length) return undefined;
  for (let digit = 1; digit <= DIGITS; digit++) starts[digit]! += starts[digit - 1]!;
  return starts;
}
