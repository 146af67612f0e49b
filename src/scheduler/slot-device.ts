import type { SlotInfo } from '../protocol/channel.js';

export type SlotDevice = SlotInfo['device'];
/** `auto`: GPU slots while there are any. */
export type DevicePreference = 'auto' | SlotDevice;

/** In which kind of slots work is done, of those there are now. */
export function deviceAmong(wanted: DevicePreference, slots: readonly { readonly device: SlotDevice }[]): SlotDevice {
  if (wanted !== 'auto') return wanted;
  return slots.some(({ device }) => device === 'gpu') ? 'gpu' : 'cpu';
}
