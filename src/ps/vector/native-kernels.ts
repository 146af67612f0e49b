import { nativeAddon } from '../../native/addon.js';
import { STEP_RULES, type StepRule, type VectorKernels } from './kernels.js';

/** What `native/kernels.cc` adds to the add-on. */
interface KernelFunctions {
  readonly addInto: VectorKernels['addInto'];
  readonly addScaled: VectorKernels['addScaled'];
  readonly scale: VectorKernels['scale'];
  /** The rule by its number, absent slots undefined. */
  step(
    rule: number,
    constants: Float32Array,
    theta: Float32Array,
    vectors: readonly Float32Array[],
    order: Int32Array,
    from: number,
    to: number,
    ...slots: readonly Float32Array[]
  ): void;
  readonly sumSquares: VectorKernels['sumSquares'];
  readonly dot: VectorKernels['dot'];
  readonly absMax: VectorKernels['absMax'];
  readonly firstNonFinite: VectorKernels['firstNonFinite'];
  readonly packBf16: VectorKernels['packBf16'];
  readonly unpackBf16: VectorKernels['unpackBf16'];
}

const NUMBERS = Object.fromEntries(STEP_RULES.map((rule, number) => [rule, number])) as Record<StepRule, number>;

const ALONE = Int32Array.of(0);

/** The C++ loops, or undefined where the add-on has not been compiled. */
export function nativeKernels(): VectorKernels | undefined {
  const addon = nativeAddon() as unknown as KernelFunctions | undefined;
  if (!addon?.step) return undefined;
  const { addInto, addScaled, scale, sumSquares, dot, absMax, firstNonFinite, packBf16, unpackBf16 } = addon;
  return {
    name: 'native',
    ...{ addInto, addScaled, scale, sumSquares, dot, absMax, firstNonFinite, packBf16, unpackBf16 },
    step(rule, constants, theta, sum, slots, from, to) {
      const { vectors, order } = 'order' in sum ? sum : { vectors: [sum], order: ALONE };
      addon.step(NUMBERS[rule], constants, theta, vectors, order, from, to, slots[0]!, slots[1]!, slots[2]!);
    },
  };
}
