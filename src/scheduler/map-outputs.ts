import type { BlockRef, BlockSegment } from '../protocol/block.js';
import { inScope } from '../protocol/scope.js';

/** What a map task answers: one block, and which parts of it each reduce partition reads. */
export interface MapOutput {
  readonly block: BlockRef;
  readonly segments: readonly (readonly BlockSegment[])[];
}

/** Where the outputs of every shuffle's map tasks are; a lost executor's are forgotten and made again. */
export class MapOutputs {
  readonly #shuffles = new Map<string, (MapOutput | undefined)[]>();

  /** @param key `<scope>:<shuffle>` */
  outputs(key: string, maps: number): (MapOutput | undefined)[] {
    const known = this.#shuffles.get(key);
    if (known) return known;
    const fresh = new Array<MapOutput | undefined>(maps).fill(undefined);
    this.#shuffles.set(key, fresh);
    return fresh;
  }

  /** Of all map outputs that are kept. */
  get bytes(): number {
    const all = [...this.#shuffles.values()].flat();
    return all.reduce((sum, output) => sum + (output?.block.bytes ?? 0), 0);
  }

  /** Forgets what only this holder had. */
  lost(holder: string): void {
    for (const outputs of this.#shuffles.values())
      for (const [map, output] of outputs.entries())
        if (output?.block.at.every((location) => location.holder === holder)) outputs[map] = undefined;
  }

  /** Forgets one block that could not be read. */
  unreadable(block: BlockRef): void {
    for (const outputs of this.#shuffles.values())
      for (const [map, output] of outputs.entries()) if (output?.block.id === block.id) outputs[map] = undefined;
  }

  /** Forgets the shuffles of a scope and of those below it. */
  drop(scope: string): void {
    for (const key of this.#shuffles.keys())
      if (inScope(key.slice(0, key.lastIndexOf(':')), scope)) this.#shuffles.delete(key);
  }
}
