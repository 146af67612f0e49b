import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from '../assign-shards.js';
import { RangeOptimizer } from '../optimizer/range-optimizer.js';
import type { UpdateSpec } from '../optimizer/update-spec.js';
import { addGradientSums, type GradientSum, mergeNodes, reduceNodes, type ValueNode } from '../tree.js';
import type { OrderedSum } from '../vector/kernels.js';
import type { Consistency } from './consistency.js';
import { Primary, type PrimaryPeers, type PrimarySettings, type Push, Refused, type ShardSum } from './primary.js';
import { ShardState, type ShardUpdate } from './shard-state.js';

const LENGTH = 5;
const ADAM: UpdateSpec = { optimizer: { kind: 'adam', learningRate: 0.01 } };
const DESCENT: UpdateSpec = { optimizer: { kind: 'sgd', learningRate: 1 } };
const optimizer = (spec: UpdateSpec) =>
  new RangeOptimizer(spec, [{ from: 0, to: LENGTH, kind: 'kernel' }], { from: 0, to: LENGTH });
const beginning = () => Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i));
const stateOf = (spec: UpdateSpec, theta = beginning()) => new ShardState([optimizer(spec)], [theta], 0);
const alone: PrimaryPeers = { replicate: async () => {}, norms: async (_member, _step, own) => own[0]! };

function serve(state: ShardState, settings: PrimarySettings, peers = alone): Primary {
  return new Primary(state, settings, settings.consistency, peers);
}

/** Values whose sum depends on the order, and on the weights: an update lost, doubled or out of turn shows. */
function leaf(index: number, step: number, theta: Float32Array): ValueNode<GradientSum> {
  const gradient = theta.map((value, i) => value * 10 ** (index % 5) + Math.sin(i + step + 31 * index));
  return { level: 0, index, value: { gradient, rows: 1, weight: 1, lossSum: index } };
}

/** Lets others go first, as often as the case says. */
class Turns {
  #at = 0;
  constructor(readonly delays: readonly number[]) {}

  draw(): number {
    return this.delays[this.#at++ % this.delays.length]!;
  }

  async wait(): Promise<void> {
    for (let turns = this.draw(); turns > 0; turns--) await Promise.resolve();
  }
}

/** As they are pushed. */
const ofShard = (nodes: readonly ValueNode<GradientSum>[]): ValueNode<ShardSum>[] =>
  nodes.map(({ value: { gradient, ...numbers }, ...node }) => ({
    ...node,
    value: { ...numbers, gradients: [gradient] },
  }));

const vectors = ({ nodes }: Push) => nodes.flatMap(({ value }) => value.gradients.map((gradient) => gradient.slice()));

/** Pushes of one of two members, of a leaf each. */
const halfOf = (primary: Primary) => (member: number, step: number) => {
  const nodes = ofShard([leaf(member, step, beginning())]);
  return primary.push({ member, step, nodes, share: 0.5, basis: 0, pull: true });
};

/** A push that may be sent again before it is answered, and after. */
async function sent(primary: Primary, push: Push, turns: Turns) {
  const before = vectors(push);
  const answers = [primary.push(push)];
  if (turns.draw() % 3 === 0) {
    await turns.wait();
    answers.push(primary.push(push));
  }
  const [answer] = await Promise.all(answers);
  if (turns.draw() % 4 === 0) await primary.push({ ...push, pull: false });
  expect(vectors(push)).toEqual(before); // a server that takes over is sent the same
  return answer!;
}

const cases = fc.record({
  members: fc.integer({ min: 1, max: 4 }),
  leaves: fc.integer({ min: 4, max: 9 }),
  delays: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 5, maxLength: 40 }),
});
const STEPS = 6;

describe('a synchronous primary', () => {
  it('gives what plain training gives, whatever comes when and how often', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.constantFrom(undefined, 0.3), async ({ members, leaves, delays }, clipNorm) => {
        const spec = { ...ADAM, clipNorm };
        const primary = serve(stateOf(spec), { members, leaves, consistency: 'sync' });
        const turns = new Turns(delays);
        const expected = serially(spec, leaves);
        const ranges = assignShards(leaves, members);
        await Promise.all(
          ranges.map(async ({ from, to }, member) => {
            let theta = beginning();
            for (let step = 0; step < STEPS; step++) {
              await turns.wait();
              const own = Array.from({ length: to - from }, (_, k) => leaf(from + k, step, theta));
              const nodes = ofShard(mergeNodes(own, leaves, addGradientSums));
              const push = { member, step, nodes, share: 1 / members, basis: 0, pull: true };
              const answer = await sent(primary, push, turns);
              theta = answer.theta!.slice();
              expect(theta).toEqual(expected[step]);
              expect(answer.total).toMatchObject({ rows: leaves, weight: leaves });
            }
          }),
        );
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('refuses a push that leaves a step out, and everybody once a member is lost', async () => {
    const primary = serve(stateOf(ADAM), { members: 2, leaves: 2, consistency: 'sync' });
    const push = halfOf(primary);
    await expect(push(0, 1)).rejects.toThrow(new Refused('member 0 pushed step 1; its step 0 is missing'));
    const waiting = push(0, 0);
    primary.lose(1);
    await expect(waiting).rejects.toThrow('member 1 was lost in step 0');
    await expect(push(1, 0)).rejects.toThrow('member 1 was lost in step 0');
    await expect(primary.pull()).rejects.toThrow('member 1 was lost');
  });

  it('acknowledges nothing that the replicas do not have', async () => {
    let has!: () => void;
    const replicated = new Promise<void>((resolve) => {
      has = resolve;
    });
    const peers = { ...alone, replicate: () => replicated };
    const primary = serve(stateOf(ADAM), { members: 1, leaves: 1, consistency: 'sync' }, peers);
    const push = { member: 0, step: 0, nodes: ofShard([leaf(0, 0, beginning())]), share: 1, basis: 0, pull: true };
    const answers: string[] = [];
    const first = primary.push(push).then(() => answers.push('first'));
    const again = primary.push(push).then(() => answers.push('again'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(primary.state.version).toBe(1);
    expect(answers).toEqual([]);
    has();
    await Promise.all([first, again]);
    expect(answers).toHaveLength(2);
    expect(primary.state.version).toBe(1);
  });
});

/** Theta after each step of plain training. */
function serially(spec: UpdateSpec, leaves: number): Float32Array[] {
  const { clipNorm } = spec;
  const all = optimizer(spec);
  const theta = beginning();
  const result: Float32Array[] = [];
  for (let step = 0; step < STEPS; step++) {
    const nodes = Array.from({ length: leaves }, (_, index) => leaf(index, step, theta));
    const { gradient, weight } = reduceNodes(nodes, leaves, addGradientSums)!;
    const norm = Math.sqrt(all.norms(gradient).reduce((sum, part) => sum + part)) / weight;
    const scale = clipNorm && Math.min(clipNorm / (norm + 1e-6), 1);
    all.update(theta, gradient, weight, step + 1, { scale });
    result.push(theta.slice());
  }
  return result;
}

describe('a primary that updates at arrival', () => {
  const modes = fc.constantFrom<Consistency>({ staleness: 1 }, { staleness: 2 }, { staleness: 4 }, 'async');

  it('lets nobody be more than t steps ahead, and all finish', async () => {
    await fc.assert(
      fc.asyncProperty(cases, modes, async ({ members, leaves, delays }, consistency) => {
        const primary = serve(stateOf(DESCENT), { members, leaves, consistency });
        const turns = new Turns(delays);
        const lead =
          consistency === 'async' ? Number.POSITIVE_INFINITY : (consistency as { staleness: number }).staleness;
        let widest = 0;
        await Promise.all(
          assignShards(leaves, members).map(async ({ from }, member) => {
            for (let step = 0; step < STEPS; step++) {
              const ahead = step - primary.state.clocks.slowest(Array.from({ length: members }, (_, rank) => rank));
              expect(ahead).toBeLessThanOrEqual(lead);
              widest = Math.max(widest, ahead);
              for (let slow = 0; slow < member; slow++) await turns.wait();
              const nodes = ofShard([leaf(from, step, beginning())]);
              await sent(primary, { member, step, nodes, share: 1 / members, basis: 0, pull: true }, turns);
            }
          }),
        );
        expect(primary.state.version).toBe(members * STEPS);
      }),
      { seed: 2, numRuns: 60 },
    );
  });

  it('makes every push one update, and so does whoever takes over from a replica', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 10 }), async ({ members, delays }, crashAfter) => {
        const settings: PrimarySettings = { members, leaves: members, consistency: 'async' };
        const zeros = new Float32Array(LENGTH);
        const replica = stateOf(DESCENT, zeros);
        const turns = new Turns(delays);
        let forwarded = 0;
        let current: Primary;
        let crash!: () => void;
        const crashed = new Promise<false>((resolve) => {
          crash = () => {
            current = serve(replica, settings);
            resolve(false);
          };
        });
        // The replica has what was forwarded before the crash, acknowledged or not.
        const replicate = async (update: ShardUpdate, sums: readonly OrderedSum[]) => {
          if (forwarded === crashAfter) return new Promise<void>(() => {});
          replica.apply(update, sums);
          if (++forwarded === crashAfter) {
            crash();
            return new Promise<void>(() => {});
          }
          await turns.wait();
        };
        current = serve(stateOf(DESCENT, zeros), settings, { ...alone, replicate });
        await Promise.all(
          Array.from({ length: members }, async (_, member) => {
            for (let step = 0; step < STEPS; step++) {
              await turns.wait();
              const gradients = [new Float32Array(LENGTH).fill(-(2 ** (member * STEPS + step)))];
              const value = { gradients, rows: 1, weight: 1, lossSum: 0 };
              const push = {
                member,
                step,
                nodes: [{ level: 0, index: member, value }],
                share: 1,
                basis: 0,
                pull: true,
              };
              for (let answered = false; !answered; ) {
                const answer = sent(current, push, turns).then(() => true);
                answered = await (forwarded < crashAfter ? Promise.race([answer, crashed]) : answer);
              }
            }
          }),
        );
        // Each push is a bit of its own: all are there once.
        expect([...current.state.theta]).toEqual(new Array(LENGTH).fill(2 ** (members * STEPS) - 1));
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  it('moves as far in an epoch as a synchronous one, whatever the optimizer', async () => {
    const moved = async (consistency: Consistency, spec: UpdateSpec) => {
      const state = stateOf(spec, new Float32Array(LENGTH));
      const primary = serve(state, { members: 4, leaves: 4, consistency });
      for (let step = 0; step < 50; step++)
        await Promise.all(
          [0, 1, 2, 3].map((member) => {
            const value = { gradients: [new Float32Array(LENGTH).fill(8)], rows: 8, weight: 8, lossSum: 0 };
            const nodes = [{ level: 0, index: member, value }];
            return primary.push({ member, step, nodes, share: 0.25, basis: step, pull: true });
          }),
        );
      return state.theta[0]!;
    };
    for (const spec of [
      { optimizer: { kind: 'sgd', learningRate: 0.5 } },
      { optimizer: { kind: 'sgd', learningRate: 0.5, momentum: 0.5 } },
      { optimizer: { kind: 'adam', learningRate: 0.5 } },
    ] as UpdateSpec[]) {
      const together = await moved('sync', spec);
      expect((await moved('async', spec)) / together).toBeCloseTo(1, 1);
    }
  });

  it('makes steps from old weights smaller with dynSGD', async () => {
    const state = stateOf(DESCENT, new Float32Array(LENGTH));
    const primary = serve(state, { members: 2, leaves: 2, consistency: 'async', dynSGD: true });
    const push = (member: number, step: number, basis: number) => {
      const value = { gradients: [new Float32Array(LENGTH).fill(-1)], rows: 1, weight: 1, lossSum: 0 };
      const nodes = [{ level: 0, index: member, value }];
      return primary.push({ member, step, nodes, share: 0.5, basis, pull: true });
    };
    for (let step = 0; step < 6; step++) expect((await push(0, step, step / 2)).progress).toBe((step + 1) / 2);
    expect(state.theta[0]).toBe(3);
    await push(1, 0, 0); // three whole steps old
    expect(state.theta[0]).toBe(3 + 0.5 / 4);
  });

  it('changes its bound while members wait', async () => {
    const primary = serve(stateOf(DESCENT), { members: 2, leaves: 2, consistency: { staleness: 1 } });
    const push = halfOf(primary);
    await push(0, 0);
    const second = push(0, 1);
    expect(await Promise.race([second.then(() => 'went on'), later('waits')])).toBe('waits');
    primary.setConsistency({ staleness: 2 });
    await second;
    const third = push(0, 2);
    expect(await Promise.race([third.then(() => 'went on'), later('waits')])).toBe('waits');
    primary.lose(1); // who is gone holds nobody up
    await third;
  });
});

const later = <T>(value: T) => new Promise<T>((resolve) => setImmediate(() => resolve(value)));
