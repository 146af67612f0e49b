import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { beginning, type GroupSettings, leaf, ServerGroup } from './testing/server-group.js';

let group: ServerGroup;
beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => {}));
afterEach(async () => {
  vi.restoreAllMocks();
  await group.close();
});

/** Two members of two servers make four steps; how each one's steps end. */
async function ends(settings: GroupSettings, breakIt: () => void) {
  group = await ServerGroup.start(2, { members: 2, leaves: 2, ...settings });
  const exchanges = await group.joinAll();
  breakIt();
  const runs = exchanges.map(async (exchange, rank) => {
    const theta = beginning(group.length);
    for (let step = 0; step < 4; step++) await exchange.step(step, [leaf(rank, step, theta)], theta);
  });
  return Promise.allSettled(runs);
}

/** As the class's own method, but for the third update. */
function failing(state: { apply(...args: never[]): void }): void {
  const apply = state.apply.bind(state);
  let updates = 0;
  state.apply = (...args) => {
    if (++updates === 3) throw new TypeError('the moments are gone');
    apply(...args);
  };
}

const defect = (process: number) => ({
  status: 'rejected',
  reason: {
    failure: {
      kind: 'user-error',
      name: 'TypeError',
      message: `parameter server ${process}: the moments are gone`,
      stack: expect.stringMatching(/defects\.test\.ts/),
    },
  },
});

it('a synchronous update that throws is told to every member, with its stack, and is no loss', async () => {
  const all = await ends({}, () => failing(group.servers[1]!.shards.primaries.get(1)!.state));
  expect(all).toMatchObject([defect(1), defect(1)]);
  expect(console.error).toHaveBeenCalledTimes(1);
});

it('so is one made at arrival', async () => {
  const all = await ends({ consistency: 'async' }, () => failing(group.servers[0]!.shards.primaries.get(0)!.state));
  expect(all).toMatchObject([defect(0), defect(0)]);
});

it('and one of a replica: another holder would fail too', async () => {
  const breakIt = () => {
    // Process 1 keeps the replica of shard 0; its own shard's updates are made by another state.
    const replica = group.states[1]!.get(0)!;
    failing(replica);
  };
  const all = await ends({ replicas: 1 }, breakIt);
  expect(all).toMatchObject([defect(1), defect(1)]);
});
