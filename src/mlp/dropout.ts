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
 * sites of a training share a draw, as long as a shard has less than 2^35 values a layer and step.
 */
export function dropoutCounter({ number, shard, step }: Omit<DropoutSite, 'seed'>): [number, number, number, number] {
  return [0, number, shard, step];
}

/**
 * What a layer's values, rows x units, are multiplied by: 0 where dropped, `keptScale(rate)` elsewhere. The very mask that
 * TensorFlow's `StatelessRandomUniformFullIntV2` gives for this key and counter: each uint32 decides on two neighbours of a
 * row, its low half on the first; a row of odd length leaves half of its last one unused. A value is kept where its 16
 * bits, as an int16, are at least `dropThreshold(rate)`.
 */
export function dropoutMask(site: DropoutSite, rate: number, rows: number, units: number): Float32Array {
  const key = dropoutKey(site.seed);
  const counter = dropoutCounter(site);
  const threshold = dropThreshold(rate);
  const kept = keptScale(rate);
  const mask = new Float32Array(rows * units);
  const draws = new Uint32Array(4);
  const words = Math.ceil(units / 2);
  for (let word = 0; word < rows * words; word++) {
    if (word % 4 === 0) {
      philox(counter, key, draws);
      counter[0]++;
    }
    const row = Math.floor(word / words);
    const unit = (word % words) * 2;
    const draw = draws[word % 4]!;
    if ((draw << 16) >> 16 >= threshold) mask[row * units + unit] = kept;
    if (unit + 1 < units && draw >> 16 >= threshold) mask[row * units + unit + 1] = kept;
  }
  return mask;
}

/** Of all int16, the share `rate` lies below it: rates are multiples of 2^-16. */
export function dropThreshold(rate: number): number {
  return Math.min(Math.round(rate * 0x10000), 0xffff) - 0x8000;
}

/** What keeps the mean: 1 / (1 - rate), of the rate as it is drawn, in float32 as every backend multiplies by it. */
export function keptScale(rate: number): number {
  return Math.fround(0x10000 / (0x8000 - dropThreshold(rate)));
}
