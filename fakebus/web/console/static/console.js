// What every page has: times in the reader's zone, and forms that take long and can be stopped.

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

// What takes long can be stopped: it ends on the bus when the browser waits for it no more.
for (const form of document.querySelectorAll('form[data-stoppable]')) {
  const what = form.dataset.stoppable;
  const status = document.createElement('span');
  const bar = document.createElement('progress');
  const button = document.createElement('button');
  status.setAttribute('role', 'status');
  bar.setAttribute('aria-label', `The ${what}`);
  button.type = 'button';
  button.textContent = 'Stop';
  form.append(' ', status, ' ');
  const end = (text) => {
    bar.remove();
    button.remove();
    status.textContent = text;
  };
  button.addEventListener('click', () => {
    window.stop();
    end(`The ${what} was stopped.`);
    form.querySelector('button.main').focus();
  });
  form.addEventListener('submit', () => {
    status.textContent = `The ${what} runs. `;
    form.append(bar, ' ', button);
  });
  window.addEventListener('pageshow', () => end(''));
}
