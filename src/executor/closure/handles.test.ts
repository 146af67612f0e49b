import { describe, expect, it } from 'vitest';
import { HANDLE, type Handle, provideHandles } from './handles.js';
import { ClosureError, decodeValue, encodeValue, type LargeCapture, restoreFunction, shipFunction } from './index.js';

const there = new Map<string, object>();
provideHandles('test', (id: string) => {
  if (!there.has(id)) there.set(id, { found: id });
  return there.get(id)!;
});

class Thing implements Handle {
  readonly found = 'the original';
  readonly #reference = 'a'; // what no copy could have

  constructor(readonly kind = 'test') {}

  [HANDLE]() {
    return { kind: this.kind, reference: this.#reference };
  }
}

describe('a handle', () => {
  it('travels as a reference, and becomes what the process has under it, once', () => {
    const thing = new Thing();
    const inside = { list: [thing], map: new Map([['key', thing]]) };
    const [direct, list, map] = restoreFunction(
      shipFunction(() => [thing as unknown, inside.list[0], inside.map.get('key')]),
    )() as object[];
    expect(direct).toEqual({ found: 'a' });
    expect(list).toBe(direct);
    expect(map).toBe(direct);
    expect((decodeValue(encodeValue([thing])) as object[])[0]).toBe(direct);
  });

  it('is told to who ships it, once a function', () => {
    const thing = new Thing();
    const met: Handle[] = [];
    const inner = () => thing;
    shipFunction(() => [thing, inner()], { onHandle: (handle) => met.push(handle) });
    expect(met).toEqual([thing]);
    encodeValue({ thing }, (handle) => met.push(handle));
    expect(met).toHaveLength(2);
    encodeValue({ plain: 1 }, (handle) => met.push(handle));
    expect(met).toHaveLength(2);
  });

  it('that is of no use any more is refused as what cannot travel is', () => {
    const ended = { [HANDLE]: () => ({ noun: 'a handle that has ended', advice: 'make a new one' }) };
    expect(() => shipFunction(() => ended, { operator: 'map at job.ts:1' })).toThrow(ClosureError);
    expect(() => shipFunction(() => ended)).toThrow(
      /captures `ended`, which is a handle that has ended .*: make a new/,
    );
  });

  it('may travel for large captured data, and for nothing else', () => {
    const large = { values: new Float64Array(200_000) };
    const small = [1, 2];
    const [withMethod, offered] = [{ large: 'x'.repeat(2 << 20), at: () => 0 }, [] as LargeCapture[]];
    const fn = () => [large, small, withMethod.large.length, withMethod.at()];
    const share = (capture: LargeCapture) => {
      offered.push(capture);
      return new Thing();
    };
    const shipped = shipFunction(fn, { share });
    expect(offered.map(({ name, value }) => [name, value])).toEqual([['large', large]]);
    expect(decodeValue(offered[0]!.bytes)).toEqual(large);
    expect(restoreFunction(shipped)()).toEqual([{ found: 'a' }, [1, 2], 2 << 20, 0]);
    expect(shipped.large).toEqual([{ name: 'withMethod', bytes: expect.any(Number) }]);
    expect((restoreFunction(shipFunction(fn, { share: () => undefined })) as typeof fn)()[0]).toEqual(large);
  });

  it('of an unknown kind is an error where it arrives', () => {
    const bytes = encodeValue(new Thing('nobody knows'));
    expect(() => decodeValue(bytes)).toThrow(/"nobody knows"/);
  });
});
