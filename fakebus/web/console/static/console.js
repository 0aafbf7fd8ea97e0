// What every page has: times in the reader's zone, and forms that ask before they destroy.

const ZONE = 'fakebus-zone';

function showTimes() {
  const local = localStorage.getItem(ZONE) === 'local';
  for (const each of document.querySelectorAll('time[datetime]')) {
    each.dataset.utc ??= each.textContent;
    const moment = new Date(each.dateTime);
    each.textContent = local ? moment.toLocaleString('sv') + '.' +
      String(moment.getMilliseconds()).padStart(3, '0') : each.dataset.utc;
    each.title = local ? each.dataset.utc + ' UTC' : moment.toLocaleString() + ' here';
  }
  return local;
}

if (document.querySelector('time[datetime]')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'zone';
  const label = (local) => { button.textContent = local ? 'Local time' : 'UTC'; };
  button.title = 'Switch between UTC and the time of this computer';
  button.addEventListener('click', () => {
    localStorage.setItem(ZONE, localStorage.getItem(ZONE) === 'local' ? 'utc' : 'local');
    label(showTimes());
  });
  label(showTimes());
  document.querySelector('header.top')?.append(button);
}

// The button that copies what stands beside it.
for (const block of document.querySelectorAll('[data-copy]')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = 'Copied';
  });
  block.tagName === 'PRE' ? block.before(button) : block.after(' ', button);
}
