import { describe, expect, it } from 'vitest';
import { type MissingSlots, missingText } from './missing-slots.js';

describe('what is said of slots that did not come', () => {
  const slotsOf = (...devices: readonly ('cpu' | 'gpu')[]) => devices.map((device, index) => ({ index, device }));
  const foreign = (id: string, ...devices: readonly ('cpu' | 'gpu')[]) => ({
    ...{ id, host: id, hostname: `${id}-host`, pid: 1, blockUrl: '', fingerprint: '', version: '0.0.1, protocol 0' },
    slots: slotsOf(...devices),
  });
  const said = (missing: Partial<MissingSlots>) =>
    missingText({ count: 1, device: undefined, slots: [], foreign: [], waitMs: 2000, ...missing });

  it.each<[Partial<MissingSlots>, string]>([
    [{}, 'no executor joined within 2 s: start one with "sheaf executor --master URL"'],
    [{ count: 3, slots: slotsOf('cpu', 'gpu') }, 'only 2 of 3 slots joined within 2 s: start one with'],
    [
      { device: 'gpu', slots: slotsOf('cpu') },
      'no executor with GPU slots joined within 2 s: start one with "sheaf executor --master URL --gpus auto"',
    ],
    [{ device: 'cpu', slots: slotsOf('gpu') }, 'every slot is a GPU slot: give more slots, or fewer GPUs'],
    [
      { count: 2, device: 'cpu', slots: slotsOf('gpu', 'cpu') },
      'only 1 of 2 CPU slots joined within 2 s: start one with',
    ],
  ])('names what to do: %o', (missing, text) => {
    expect(said(missing)).toContain(text);
  });

  it('names executors of other versions where they would have been enough, and only there', () => {
    expect(said({ foreign: [foreign('a', 'cpu')] })).toMatch(
      / 2 s: executor a on a-host is Sheaf 0\.0\.1, protocol 0, this driver /,
    );
    expect(said({ device: 'gpu', foreign: [foreign('a', 'cpu')] })).toMatch(/ 2 s: start one with /);
    expect(said({ device: 'cpu', slots: slotsOf('gpu'), foreign: [foreign('a', 'gpu')] })).toContain(
      'every slot is a GPU slot',
    );
    expect(said({ count: 3, foreign: [foreign('a', 'cpu')] })).toContain('start one with');
    expect(said({ count: 2, foreign: [foreign('a', 'cpu'), foreign('b', 'cpu')] })).toMatch(
      /executor a on a-host .* start it again; other versions also: b$/,
    );
  });
});
