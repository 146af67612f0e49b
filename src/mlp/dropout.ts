import { keyedRandom } from '../rdd/random.js';
import { philox } from './philox.js';

/** Where in a training values are dropped; nothing else decides which. */
export interface DropoutSite {
  readonly seed: number;
  /** The layer's place among the network's dropouts. */
  readonly number: number;
  readonly shard: number;
  /** Updates made before. */
  readonly step: number;
}

/** Philox' key: two uint32 for a training's seed. */
export function dropoutKey(seed: number): readonly [number, number] {
  const random = keyedRandom(seed, 'dropout');
  return [random.uint32(), random.uint32()];
}

/**
 * Philox' counter, four uint32: blocks of four draws count up in the first word, the others name the site. So no two
 * sites of a training share a draw, as long as a shard has less than 2^34 values a layer and step.
 */
export function dropoutCounter({ number, shard, step }: Omit<DropoutSite, 'seed'>): [number, number, number, number] {
  return [0, number, shard, step];
}

/**
 * What a layer's values are multiplied by: 0 where dropped, 1 / (1 - rate) elsewhere. The very mask that TensorFlow's
 * `StatelessRandomUniformV2` gives for this key and counter: a value is kept where its uniform draw, the low 23 bits of a
 * uint32 as a fraction, is at least `rate`.
 */
export function dropoutMask(site: DropoutSite, rate: number, length: number): Float32Array {
  const key = dropoutKey(site.seed);
  const counter = dropoutCounter(site);
  const threshold = Math.fround(rate);
  const kept = keptScale(rate);
  const mask = new Float32Array(length);
  const draws = new Uint32Array(4);
  for (let i = 0; i < length; i += 4) {
    philox(counter, key, draws);
    counter[0]++;
    for (let j = i; j < Math.min(i + 4, length); j++)
      mask[j] = (draws[j - i]! & 0x7fffff) / 0x800000 >= threshold ? kept : 0;
  }
  return mask;
}

/** In float32, as every backend multiplies by it. */
export function keptScale(rate: number): number {
  return Math.fround(1 / (1 - rate));
}
