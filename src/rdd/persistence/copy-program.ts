import type { BlockRef } from '../../protocol/block.js';
import type { Json } from '../../protocol/json.js';
import type { SlotProgram } from '../../protocol/program.js';

/** What one copy is made of. */
export interface CopyOrder {
  readonly scope: string;
  readonly blocks: readonly BlockRef[];
  readonly disk: boolean;
}

/** Host-seat program: takes a copy of a persisted partition into this executor's home, and answers with its blocks. */
const copyProgram: SlotProgram = {
  async prepare() {
    return {
      async run(task, { blocks }) {
        const { scope, disk, blocks: refs } = task.inputs as unknown as CopyOrder;
        const copies: BlockRef[] = [];
        for (const ref of refs) copies.push(await blocks.put(ref.id, scope, await blocks.get(ref), { disk }));
        return copies as unknown as Json;
      },
    };
  },
};
export default copyProgram;
