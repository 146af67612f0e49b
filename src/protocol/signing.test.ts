import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { open, SignatureError, sign } from './signing.js';

describe('signing', () => {
  it('returns what was signed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ minLength: 1 }), fc.string(), (value, secret, purpose) => {
        expect(open(secret, sign(secret, value, purpose), purpose)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { seed: 1 },
    );
  });

  it('is HMAC-SHA256 over purpose and exact JSON text', () => {
    const { body, mac } = sign('secret', { a: [1, 'ü'] }, 'task');
    expect(body).toBe('{"a":[1,"ü"]}');
    expect(mac).toBe(createHmac('sha256', 'secret').update(`task\n${body}`).digest('base64url'));
  });

  it('refuses another secret, and says what to do, without telling the secret', () => {
    const attempt = () => open('their-secret', sign('our-secret', 1));
    expect(attempt).toThrow(SignatureError);
    expect(attempt).toThrow(/SHEAF_SECRET/);
    expect(attempt).not.toThrow(/our-secret|their-secret/);
  });

  it('refuses any altered letter of body or signature', () => {
    const envelope = sign('secret', { task: 7, name: 'abc' });
    for (const part of ['body', 'mac'] as const) {
      const text = envelope[part];
      for (let i = 0; i < text.length; i++) {
        const altered = text.slice(0, i) + (text[i] === 'A' ? 'Q' : 'A') + text.slice(i + 1);
        expect(() => open('secret', { ...envelope, [part]: altered })).toThrow(SignatureError);
      }
    }
  });

  it('refuses a replay for another purpose, and what is no envelope', () => {
    expect(() => open('secret', sign('secret', 1, 'control:a'), 'control:b')).toThrow(/control:b/);
    for (const nothing of [undefined, null, 1, 'x', {}, { body: '1' }, { body: 1, mac: 'x' }])
      expect(() => open('secret', nothing as never)).toThrow(/no signature/);
    expect(() => open('secret', { body: '1', mac: '' })).toThrow(SignatureError);
  });
});
