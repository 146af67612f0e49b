/** Powers of ten that are doubles themselves. */
export const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Splits a double's 53 bits into two halves, whose products are exact (Veltkamp). */
const SPLITTER = 2 ** 27 + 1;

/** What rounding took from `product`, the double of `a * b`: exact (T. J. Dekker, "A floating-point technique for extending the available precision", 1971). */
function productError(a: number, b: number, product: number): number {
  let scaled = SPLITTER * a;
  const aHigh = scaled - (scaled - a);
  const aLow = a - aHigh;
  scaled = SPLITTER * b;
  const bHigh = scaled - (scaled - b);
  const bLow = b - bHigh;
  return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/**
 * The double nearest to `(high * scale + low) / divisor`, ties to even: a decimal number of 18 digits, without a string.
 *
 * Dividend and quotient are sums of two doubles, so that the error before the last rounding is below 2^-103 of the result. A
 * result is no nearer than 2^-101 to a number halfway between two doubles, unless it is one, and then nothing was rounded:
 * the difference is a multiple of 1 beside products of less than 2^54 (the halfway number) and 5^20 < 2^47 (the divisor).
 * @param high a whole number below 2^53 @param scale a power of ten, to 10^18 @param low a whole number below `scale`; all of them below 10^18
 * @param divisor a power of ten, to 10^20
 */
export function nearestQuotient(high: number, scale: number, low: number, divisor: number): number {
  const product = high * scale;
  const dividend = product + low;
  const added = dividend - product;
  const rest = product - (dividend - added) + (low - added) + productError(high, scale, product);
  const quotient = dividend / divisor;
  const back = quotient * divisor;
  return quotient + (dividend - back - productError(quotient, divisor, back) + rest) / divisor;
}
