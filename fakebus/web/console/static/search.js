// A search that goes on where the page ends, tells how far it has come, and can be stopped.

import { row } from './records.js';

const place = document.getElementById('search');
const on = document.getElementById('search-on');
if (place?.dataset.source) {
  const progress = document.getElementById('progress');
  const body = document.querySelector('#records tbody');
  const button = document.createElement('button');
  const bar = document.createElement('progress');
  let source = null;
  button.type = 'button';

  const stop = (text) => {
    source.close();
    source = null;
    bar.remove();
    button.textContent = 'Search again';
    if (text) progress.textContent = text;
  };
  const start = () => {
    source = new EventSource(place.dataset.source);
    // A stream that goes on from the page keeps its rows, another one begins anew.
    if (place.dataset.continue === '') body.replaceChildren();
    let found = body.rows.length;
    button.textContent = 'Stop';
    bar.setAttribute('aria-label', 'Records looked at');
    bar.max = 1;
    bar.value = 0;
    progress.after(' ', bar, ' ', button);
    let told = '';
    source.addEventListener('page', (message) => {
      const { rows, scanned, left } = JSON.parse(message.data);
      for (const record of rows) body.append(row(record, place.dataset.topics === ''));
      found += rows.length;
      bar.value = scanned / Math.max(scanned + left, 1);
      told = `${found} found among ${scanned.toLocaleString('en')}`;
      progress.textContent = `${told}; ${left.toLocaleString('en')} left`;
    });
    source.addEventListener('end', (message) => {
      const { left } = JSON.parse(message.data);
      stop(left ? `${told}; the newest of them are shown` : `${told}: that is all`);
    });
    source.addEventListener('error', () => stop('The search has broken off.'));
  };
  button.addEventListener('click', () => (source ? stop('') : start()));
  on?.remove();
  start();
}
