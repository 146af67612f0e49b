import type { BlockRef, BlockSegment } from '../protocol/block.js';
import { inScope } from '../protocol/scope.js';

/** What a map task answers: one block, and which parts of it each reduce partition reads. */
export interface MapOutput {
  readonly block: BlockRef;
  readonly segments: readonly (readonly BlockSegment[])[];
}

/** The outputs of one partition's map tasks: one, or several where it was computed in parts. */
export type PartitionOutputs = readonly MapOutput[];

/** Where the outputs of every shuffle's map tasks are; a lost executor's are forgotten and made again. */
export class MapOutputs {
  readonly #shuffles = new Map<string, (PartitionOutputs | undefined)[]>();

  /** @param key `<scope>:<shuffle>` */
  outputs(key: string, maps: number): (PartitionOutputs | undefined)[] {
    const known = this.#shuffles.get(key);
    if (known) return known;
    const fresh = new Array<PartitionOutputs | undefined>(maps).fill(undefined);
    this.#shuffles.set(key, fresh);
    return fresh;
  }

  /** Of all map outputs that are kept. */
  get bytes(): number {
    const all = [...this.#shuffles.values()].flat(2);
    return all.reduce((sum, output) => sum + (output?.block.bytes ?? 0), 0);
  }

  /** Forgets what only this holder had. */
  lost(holder: string): void {
    this.#forget(({ block }) => block.at.every((location) => location.holder === holder));
  }

  /** Forgets one block that could not be read. */
  unreadable(block: BlockRef): void {
    this.#forget((output) => output.block.id === block.id && output.block.scope === block.scope);
  }

  #forget(isGone: (output: MapOutput) => boolean): void {
    for (const outputs of this.#shuffles.values())
      for (const [map, parts] of outputs.entries()) if (parts?.some(isGone)) outputs[map] = undefined;
  }

  /** Forgets the shuffles of a scope and of those below it. */
  drop(scope: string): void {
    for (const key of this.#shuffles.keys())
      if (inScope(key.slice(0, key.lastIndexOf(':')), scope)) this.#shuffles.delete(key);
  }
}
