import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FilterParser } from 'ldapts';
import { filterValue } from './ldap.ts';

describe('a value in an LDAP filter', () => {
  it('is read back as it is, and as nothing else', () => {
    const nasty = fc.string({
      unit: fc.oneof(
        fc.constantFrom('(', ')', '*', '\\', '\0', '&', '|', '!', '=', '~', '2', 'a', ' '),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      ),
    });
    fc.assert(
      fc.property(nasty, (value) => {
        const escaped = filterValue(value);
        assert.match(escaped, /^(?:[A-Za-z0-9]|\\[0-9a-f]{2})*$/);
        const bytes = escaped.replace(
          /\\([0-9a-f]{2})|(.)/g,
          (_, hex: string | undefined, plain: string) => hex ?? plain.charCodeAt(0).toString(16),
        );
        assert.equal(Buffer.from(bytes, 'hex').toString('utf8'), value.toWellFormed());
        if (value === '') return;
        assert.match(FilterParser.parseString(`(uid=${escaped})`).toString(), /^\(uid=/);
      }),
    );
  });

  it('may be bytes', () => {
    assert.equal(filterValue(Buffer.from([0, 0x41, 0xff, 0x2a])), '\\00A\\ff\\2a');
  });
});
