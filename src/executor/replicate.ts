import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram } from '../protocol/program.js';

/** Host-seat program: copies a block into this executor's home and answers with the copy's reference, a `CopiedBlock`. */
const replicate: SlotProgram = {
  async prepare() {
    return {
      async run(task, { blocks }) {
        return (await blocks.copy(task.inputs as unknown as BlockRef, 'home')) as unknown as Json;
      },
    };
  },
};
export default replicate;
