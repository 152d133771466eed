// Before the first paint: the colours that this person chose on this device. Without a choice the device decides.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch { /* storage is switched off: the device decides */ }
