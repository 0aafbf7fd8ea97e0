// Rows of records, as templates/records.html makes them. All that comes from a record is text.

function cell(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

// The escapes that the server writes for what does not print.
export function printable(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu, (char) => {
    const code = char.codePointAt(0);
    const short = { 9: '\\t', 10: '\\n', 13: '\\r' }[code];
    if (short) return short;
    if (code < 256) return '\\x' + code.toString(16).padStart(2, '0');
    return code < 65536 ? '\\u' + code.toString(16).padStart(4, '0')
      : '\\U' + code.toString(16).padStart(8, '0');
  });
}

export function row(record, withTopic = false) {
  const link = document.createElement('a');
  link.href = ['/ui/topics', record.topic, record.partition, record.offset].join('/');
  link.textContent = `${withTopic ? record.topic : ''}[${record.partition}]@${record.offset}`;
  const head = cell('th', 'nowrap', link);
  head.scope = 'row';
  const time = document.createElement('time');
  time.textContent = record.timestamp < 0 ? '–'
    : new Date(record.timestamp).toISOString().replace('T', ' ').replace('Z', '');
  const clamp = (text, isCut) => cell('span', 'clamp', printable(text) + (isCut ? '…' : ''));
  const format = record.format + (record.problem ? ': does not decode' : '');
  const headers = cell('td', 'headers');
  for (const [name, value] of record.headers) {
    headers.append(cell('span', 'soft', printable(name) + ': '), printable(value),
      document.createElement('br'));
  }
  if (record.moreHeaders) {
    headers.append(cell('span', 'soft',
      record.headers.length ? `and ${record.moreHeaders} more` : `${record.moreHeaders} headers`));
  }
  return cell('tr', 'arrived', head, cell('td', '', time),
    cell('td', 'key', clamp(record.key, record.keyCut)),
    cell('td', 'value', clamp(record.value, record.cut), ' ',
      cell('span', record.problem ? 'tag bad' : 'tag', format)),
    headers);
}
