import { CONSTANT, type StepRule, type VectorKernels } from './kernels.js';

const { fround, sqrt } = Math;

/** A rule over elements [from, to): `g` is the mean gradient, the slots follow. */
type Loop = (
  constants: Float32Array,
  theta: Float32Array,
  g: Float32Array,
  slots: readonly Float32Array[],
  from: number,
  to: number,
) => void;

/** Elements worked on at once: the block of every array stays in the first-level cache between the loops. */
const BLOCK = 1024;

/** `VectorKernels.step`, one float32 operation after the other. */
export const javascriptStep: VectorKernels['step'] = (rule, constants, theta, sum, slots, from, to) => {
  const loop = LOOPS[rule];
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    prepare(constants, theta, sum, start, end);
    loop(constants, theta, sum, slots, start, end);
  }
};

function prepare(constants: Float32Array, theta: Float32Array, g: Float32Array, from: number, to: number): void {
  const weight = constants[CONSTANT.weight]!;
  const scale = constants[CONSTANT.scale]!;
  const clip = constants[CONSTANT.clip]!;
  const l2 = constants[CONSTANT.l2]!;
  const l1 = constants[CONSTANT.l1]!;
  const keep = constants[CONSTANT.keep]!;
  if (weight !== 1) for (let i = from; i < to; i++) g[i] = g[i]! / weight;
  if (scale !== 1) for (let i = from; i < to; i++) g[i] = g[i]! * scale;
  if (clip !== Infinity) for (let i = from; i < to; i++) g[i] = Math.min(Math.max(g[i]!, -clip), clip);
  if (l2 !== 0) for (let i = from; i < to; i++) g[i] = g[i]! + fround(l2 * theta[i]!);
  if (l1 !== 0)
    for (let i = from; i < to; i++) {
      const value = theta[i]!;
      g[i] = g[i]! + (value > 0 ? l1 : value < 0 ? -l1 : 0);
    }
  if (keep !== 1) for (let i = from; i < to; i++) theta[i] = theta[i]! * keep;
}

const LOOPS: Readonly<Record<StepRule, Loop>> = {
  descent(k, theta, g, _slots, from, to) {
    const rate = k[CONSTANT.rate]!;
    for (let i = from; i < to; i++) theta[i] = theta[i]! - fround(g[i]! * rate);
  },

  /** ResourceApplyKerasMomentum; a = momentum. */
  momentum(k, theta, g, [velocity], from, to) {
    const rate = k[CONSTANT.rate]!;
    const momentum = k[CONSTANT.a]!;
    const v = velocity!;
    for (let i = from; i < to; i++) {
      v[i] = fround(v[i]! * momentum) - fround(g[i]! * rate);
      theta[i] = theta[i]! + v[i]!;
    }
  },

  nesterov(k, theta, g, [velocity], from, to) {
    const rate = k[CONSTANT.rate]!;
    const momentum = k[CONSTANT.a]!;
    const v = velocity!;
    for (let i = from; i < to; i++) {
      const descent = fround(g[i]! * rate);
      v[i] = fround(v[i]! * momentum) - descent;
      theta[i] = theta[i]! + fround(fround(v[i]! * momentum) - descent);
    }
  },

  /** ResourceApplyAdagradV2; a = epsilon. */
  adagrad(k, theta, g, [accumulator], from, to) {
    const rate = k[CONSTANT.rate]!;
    const epsilon = k[CONSTANT.a]!;
    const sums = accumulator!;
    for (let i = from; i < to; i++) {
      sums[i] = sums[i]! + fround(g[i]! * g[i]!);
      theta[i] = theta[i]! - fround(fround(g[i]! * rate) / fround(fround(sqrt(sums[i]!)) + epsilon));
    }
  },

  /** ResourceApplyRMSProp; a = 1 - rho, b = epsilon, c = momentum. */
  rmsprop(k, theta, g, [square, velocity], from, to) {
    const rate = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const epsilon = k[CONSTANT.b]!;
    const momentum = k[CONSTANT.c]!;
    const s = square!;
    const v = velocity!;
    for (let i = from; i < to; i++) {
      s[i] = s[i]! + fround(fround(fround(g[i]! * g[i]!) - s[i]!) * a);
      v[i] = fround(v[i]! * momentum) + fround(fround(g[i]! * rate) / fround(sqrt(fround(s[i]! + epsilon))));
      theta[i] = theta[i]! - v[i]!;
    }
  },

  /** ResourceApplyCenteredRMSProp; constants the same. */
  'rmsprop-centered'(k, theta, g, [square, mean, velocity], from, to) {
    const rate = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const epsilon = k[CONSTANT.b]!;
    const momentum = k[CONSTANT.c]!;
    const s = square!;
    const m = mean!;
    const v = velocity!;
    for (let i = from; i < to; i++) {
      s[i] = s[i]! + fround(fround(fround(g[i]! * g[i]!) - s[i]!) * a);
      m[i] = m[i]! + fround(fround(g[i]! - m[i]!) * a);
      const variance = fround(fround(s[i]! - fround(m[i]! * m[i]!)) + epsilon);
      v[i] = fround(v[i]! * momentum) + fround(fround(g[i]! * rate) / fround(sqrt(variance)));
      theta[i] = theta[i]! - v[i]!;
    }
  },

  /** ResourceApplyAdam; rate = its alpha, a = 1 - beta1, b = 1 - beta2, c = epsilon. */
  adam(k, theta, g, [first, second], from, to) {
    const alpha = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const b = k[CONSTANT.b]!;
    const epsilon = k[CONSTANT.c]!;
    const m = first!;
    const v = second!;
    for (let i = from; i < to; i++) {
      m[i] = m[i]! + fround(fround(g[i]! - m[i]!) * a);
      v[i] = v[i]! + fround(fround(fround(g[i]! * g[i]!) - v[i]!) * b);
      theta[i] = theta[i]! - fround(fround(m[i]! * alpha) / fround(fround(sqrt(v[i]!)) + epsilon));
    }
  },

  /** ResourceApplyAdamWithAmsgrad. */
  'adam-amsgrad'(k, theta, g, [first, second, highest], from, to) {
    const alpha = k[CONSTANT.rate]!;
    const a = k[CONSTANT.a]!;
    const b = k[CONSTANT.b]!;
    const epsilon = k[CONSTANT.c]!;
    const m = first!;
    const v = second!;
    const h = highest!;
    for (let i = from; i < to; i++) {
      m[i] = m[i]! + fround(fround(g[i]! - m[i]!) * a);
      v[i] = v[i]! + fround(fround(fround(g[i]! * g[i]!) - v[i]!) * b);
      if (v[i]! > h[i]!) h[i] = v[i]!;
      theta[i] = theta[i]! - fround(fround(m[i]! * alpha) / fround(fround(sqrt(h[i]!)) + epsilon));
    }
  },
};
