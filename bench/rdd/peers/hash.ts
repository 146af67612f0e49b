/** The finaliser of MurmurHash3 on the low 32 bits, 0 to 2^32 - 1; a bijection, so distinct rows give distinct hashes. */
export function hash(row: number): number {
  let x = row | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
