import { ADD, CONSTANT, type OrderedSum, type StepRule, type VectorKernels } from './kernels.js';

const { fround, sqrt } = Math;

/** A rule over elements of theta and the slots from an offset on: `g` is the mean gradient of so many. */
type Loop = (
  constants: Float32Array,
  theta: Float32Array,
  g: Float32Array,
  slots: readonly Float32Array[],
  offset: number,
  length: number,
) => void;

/** Elements worked on at once: the block of every array stays in the first-level cache between the loops. */
const BLOCK = 1024;

/** Blocks of sums that wait to be added; the first then takes the mean gradient. */
const spare: Float32Array[] = [new Float32Array(BLOCK)];

const ALONE = [0];

/** `VectorKernels.step`, one float32 operation after the other. */
export const javascriptStep: VectorKernels['step'] = (rule, constants, theta, sum, slots, from, to) => {
  const loop = LOOPS[rule];
  for (let offset = from; offset < to; offset += BLOCK) {
    const length = Math.min(BLOCK, to - offset);
    addUp(sum, offset, length);
    const g = spare[0]!;
    prepare(constants, theta, g, offset, length);
    loop(constants, theta, g, slots, offset, length);
  }
};

/** Leaves a block of the sum in the first spare one. */
function addUp(sum: Float32Array | OrderedSum, offset: number, length: number): void {
  const block = (vector: Float32Array) => vector.subarray(offset, offset + length);
  const { vectors, order } = 'order' in sum ? sum : { vectors: [sum], order: ALONE };
  let waiting = 0;
  for (const each of order) {
    if (each !== ADD) {
      spare[waiting] ??= new Float32Array(BLOCK);
      spare[waiting++]!.set(block(vectors[each]!));
      continue;
    }
    const [left, right] = [spare[waiting - 2]!, spare[--waiting]!];
    for (let i = 0; i < length; i++) left[i] = left[i]! + right[i]!;
  }
}

function prepare(k: Float32Array, theta: Float32Array, g: Float32Array, offset: number, length: number): void {
  const weight = k[CONSTANT.weight]!;
  const scale = k[CONSTANT.scale]!;
  const clip = k[CONSTANT.clip]!;
  const l2 = k[CONSTANT.l2]!;
  const l1 = k[CONSTANT.l1]!;
  const keep = k[CONSTANT.keep]!;
  if (weight !== 1) for (let i = 0; i < length; i++) g[i] = g[i]! / weight;
  if (scale !== 1) for (let i = 0; i < length; i++) g[i] = g[i]! * scale;
  if (clip !== Infinity) for (let i = 0; i < length; i++) g[i] = Math.min(Math.max(g[i]!, -clip), clip);
  if (l2 !== 0) for (let i = 0; i < length; i++) g[i] = g[i]! + fround(l2 * theta[offset + i]!);
  if (l1 !== 0)
    for (let i = 0; i < length; i++) {
      const value = theta[offset + i]!;
      g[i] = g[i]! + (value > 0 ? l1 : value < 0 ? -l1 : 0);
    }
  if (keep !== 1) for (let i = offset; i < offset + length; i++) theta[i] = theta[i]! * keep;
}

const LEAST_NORMAL = 2 ** -126;

/** What is kept of a slot's value, rounded to float32. */
function normal(value: number): number {
  const rounded = fround(value);
  return rounded > -LEAST_NORMAL && rounded < LEAST_NORMAL ? 0 : rounded;
}

const LOOPS: Readonly<Record<StepRule, Loop>> = {
  descent(k, theta, g, _slots, offset, length) {
    const rate = k[CONSTANT.rate]!;
    for (let at = 0, i = offset; at < length; at++, i++) theta[i] = theta[i]! - fround(g[at]! * rate);
  },

  /** ResourceApplyKerasMomentum; a = momentum. */
  momentum(k, theta, g, [velocity], offset, length) {
    const rate = k[CONSTANT.rate]!;
    const momentum = k[CONSTANT.a]!;
    const v = velocity!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      v[i] = normal(fround(v[i]! * momentum) - fround(g[at]! * rate));
      theta[i] = theta[i]! + v[i]!;
    }
  },

  nesterov(k, theta, g, [velocity], offset, length) {
    const rate = k[CONSTANT.rate]!;
    const momentum = k[CONSTANT.a]!;
    const v = velocity!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      const descent = fround(g[at]! * rate);
      v[i] = normal(fround(v[i]! * momentum) - descent);
      theta[i] = theta[i]! + fround(fround(v[i]! * momentum) - descent);
    }
  },

  /** ResourceApplyAdagradV2; a = epsilon. */
  adagrad(k, theta, g, [accumulator], offset, length) {
    const rate = k[CONSTANT.rate]!;
    const epsilon = k[CONSTANT.a]!;
    const sums = accumulator!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      sums[i] = normal(sums[i]! + fround(g[at]! * g[at]!));
      theta[i] = theta[i]! - fround(fround(g[at]! * rate) / fround(fround(sqrt(sums[i]!)) + epsilon));
    }
  },

  /** ResourceApplyRMSProp; a = 1 - rho, b = epsilon, c = momentum. */
  rmsprop(k, theta, g, [square, velocity], offset, length) {
    const rate = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const epsilon = k[CONSTANT.b]!;
    const momentum = k[CONSTANT.c]!;
    const s = square!;
    const v = velocity!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      s[i] = normal(s[i]! + fround(fround(fround(g[at]! * g[at]!) - s[i]!) * a));
      v[i] = normal(fround(v[i]! * momentum) + fround(fround(g[at]! * rate) / fround(sqrt(fround(s[i]! + epsilon)))));
      theta[i] = theta[i]! - v[i]!;
    }
  },

  /** ResourceApplyCenteredRMSProp; constants the same. */
  'rmsprop-centered'(k, theta, g, [square, mean, velocity], offset, length) {
    const rate = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const epsilon = k[CONSTANT.b]!;
    const momentum = k[CONSTANT.c]!;
    const s = square!;
    const m = mean!;
    const v = velocity!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      s[i] = normal(s[i]! + fround(fround(fround(g[at]! * g[at]!) - s[i]!) * a));
      m[i] = normal(m[i]! + fround(fround(g[at]! - m[i]!) * a));
      const variance = fround(fround(s[i]! - fround(m[i]! * m[i]!)) + epsilon);
      v[i] = normal(fround(v[i]! * momentum) + fround(fround(g[at]! * rate) / fround(sqrt(variance))));
      theta[i] = theta[i]! - v[i]!;
    }
  },

  /** ResourceApplyAdam; rate = its alpha, a = 1 - beta1, b = 1 - beta2, c = epsilon. */
  adam(k, theta, g, [first, second], offset, length) {
    const alpha = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const b = k[CONSTANT.b]!;
    const epsilon = k[CONSTANT.c]!;
    const m = first!;
    const v = second!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      m[i] = normal(m[i]! + fround(fround(g[at]! - m[i]!) * a));
      v[i] = normal(v[i]! + fround(fround(fround(g[at]! * g[at]!) - v[i]!) * b));
      theta[i] = theta[i]! - fround(fround(m[i]! * alpha) / fround(fround(sqrt(v[i]!)) + epsilon));
    }
  },

  /** ResourceApplyAdamWithAmsgrad. */
  'adam-amsgrad'(k, theta, g, [first, second, highest], offset, length) {
    const alpha = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const b = k[CONSTANT.b]!;
    const epsilon = k[CONSTANT.c]!;
    const m = first!;
    const v = second!;
    const h = highest!;
    for (let at = 0, i = offset; at < length; at++, i++) {
      m[i] = normal(m[i]! + fround(fround(g[at]! - m[i]!) * a));
      v[i] = normal(v[i]! + fround(fround(fround(g[at]! * g[at]!) - v[i]!) * b));
      if (v[i]! > h[i]!) h[i] = v[i]!;
      theta[i] = theta[i]! - fround(fround(m[i]! * alpha) / fround(fround(sqrt(h[i]!)) + epsilon));
    }
  },
};
