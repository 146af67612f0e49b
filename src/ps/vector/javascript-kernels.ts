import { CHUNK } from '../slices.js';
import { javascriptStep } from './javascript-steps.js';
import type { VectorKernels } from './kernels.js';

/**
 * Float32 arithmetic in JavaScript: a float64 operation (+ - * / √) on float32 values, rounded to float32, is the float32
 * operation (Figueroa 1995: 53 >= 2 * 24 + 2 bits). Storing into a Float32Array rounds.
 */
const { fround } = Math;
const LANES = 16;
const lanes = new Float64Array(LANES);

export const javascriptKernels: VectorKernels = {
  name: 'javascript',

  addInto(target, source) {
    for (let i = 0; i < target.length; i++) target[i] = target[i]! + source[i]!;
  },

  addScaled(target, factor, source) {
    const f = fround(factor);
    for (let i = 0; i < target.length; i++) target[i] = target[i]! + fround(f * source[i]!);
  },

  scale(x, factor) {
    const f = fround(factor);
    for (let i = 0; i < x.length; i++) x[i] = x[i]! * f;
  },

  step: javascriptStep,

  sumSquares(x, out) {
    for (let chunk = 0; chunk * CHUNK < x.length; chunk++) out[chunk] = chunkDot(x, x, chunk);
  },

  dot(x, y) {
    let sum = 0;
    for (let chunk = 0; chunk * CHUNK < x.length; chunk++) sum += chunkDot(x, y, chunk);
    return sum;
  },

  absMax(x) {
    let largest = 0;
    for (let i = 0; i < x.length; i++) {
      const magnitude = Math.abs(x[i]!);
      if (!(magnitude <= largest)) largest = magnitude;
      if (Number.isNaN(largest)) return largest;
    }
    return largest;
  },

  firstNonFinite(x) {
    for (let i = 0; i < x.length; i++) if (x[i]! - x[i]! !== 0) return i;
    return -1;
  },

  packBf16(x, out) {
    const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
    for (let i = 0; i < bits.length; i++) {
      const b = bits[i]!;
      const nan = (b & 0x7fffffff) > 0x7f800000;
      out[i] = nan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
    }
  },

  unpackBf16(x, out) {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < x.length; i++) bits[i] = x[i]! << 16;
  },
};

/** Products of float32 values are exact in float64, so only the order of the additions decides. */
function chunkDot(x: Float32Array, y: Float32Array, chunk: number): number {
  const from = chunk * CHUNK;
  const to = Math.min(from + CHUNK, x.length);
  lanes.fill(0);
  let i = from;
  for (; i + LANES <= to; i += LANES)
    for (let lane = 0; lane < LANES; lane++) lanes[lane] = lanes[lane]! + x[i + lane]! * y[i + lane]!;
  for (let lane = 0; i < to; i++, lane++) lanes[lane] = lanes[lane]! + x[i]! * y[i]!;
  for (let half = LANES / 2; half >= 1; half /= 2)
    for (let lane = 0; lane < half; lane++) lanes[lane] = lanes[lane]! + lanes[lane + half]!;
  return lanes[0]!;
}
