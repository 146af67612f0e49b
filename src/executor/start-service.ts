import type { Json } from '../protocol/json.js';
import type { SlotProgram } from '../protocol/program.js';

/** What a start-service task asks for. */
export interface ServiceRequest {
  readonly module: string;
  readonly scope: string;
  readonly parameters: Json;
}

/** Host-seat program: starts a process beside the slots and answers with its address. */
const startService: SlotProgram = {
  async prepare() {
    return {
      run(task, { services }) {
        const { module, scope, parameters } = task.inputs as unknown as ServiceRequest;
        return services!.start(module, scope, parameters);
      },
    };
  },
};
export default startService;
