// The live view: rows as they arrive, with a pause; the newest come first, and old ones go.

import { row } from './records.js';

const MOST_ROWS = 500;
const place = document.getElementById('live');
if (place) {
  const body = document.querySelector('#records tbody');
  const count = document.getElementById('count');
  const pause = document.getElementById('pause');
  const clear = document.getElementById('clear');
  let waiting = [];
  let telling = 0;
  let said = { seen: 0, skipped: 0 };

  const tell = () => {
    telling = 0;
    const { seen, skipped } = said;
    const more = skipped ? `, ${skipped} of them not shown: more than ${place.dataset.rate} a second` : '';
    const held = waiting.length ? `; ${waiting.length} wait` : '';
    count.textContent = `${seen} arrived${more}${held}`;
  };

  const show = (records) => {
    for (const record of records) body.prepend(row(record));
    while (body.rows.length > MOST_ROWS) body.deleteRow(-1);
  };
  const source = new EventSource(place.dataset.source);
  source.addEventListener('open', () => { pause.disabled = clear.disabled = false; });
  source.addEventListener('rows', (message) => {
    const { rows, seen, skipped } = JSON.parse(message.data);
    if (pause.getAttribute('aria-pressed') === 'true') {
      waiting = waiting.concat(rows).slice(-MOST_ROWS);
    } else {
      show(rows);
    }
    said = { seen, skipped };
    // A screen reader need not hear every one of them; but it hears, also where they never cease.
    telling ||= setTimeout(tell, 300);
  });
  source.addEventListener('error', () => { count.textContent = 'The bus does not answer; trying again.'; });
  pause.addEventListener('click', () => {
    const on = pause.getAttribute('aria-pressed') !== 'true';
    pause.setAttribute('aria-pressed', String(on));
    pause.textContent = on ? 'Go on' : 'Pause';
    if (!on) {
      show(waiting);
      waiting = [];
      tell();
    }
  });
  clear.addEventListener('click', () => { body.replaceChildren(); waiting = []; });
}
