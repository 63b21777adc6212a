"""`sezoo live`: the page's samples are those of the C code on this computer, whatever goes in and however."""

import importlib.util
import shutil
import time

import numpy as np
import onnx
import pytest
import soundfile

import mask_graphs as graphs
from c_builds import DENOISE_FILE, HOST_GCC, compiled, ran
from sezoo.audio.clip import write_clip
from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.cli.main import main
from sezoo.denoising.board import from_int16, to_int16
from sezoo.deployment.c_package.deploy import program_for
from sezoo.deployment.c_package.package import write_sources
from sezoo.deployment.live import page as live_page
from sezoo.deployment.live.page import write_live_page
from sezoo.models.onnx_file import load_onnx
from sezoo.zoo import zoo_model
from tiny_models import configuration, write_tiny_model

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ZIG = importlib.util.find_spec("ziglang") is not None
PLAYWRIGHT = importlib.util.find_spec("playwright") is not None
RATE = 16000

needs_zig = pytest.mark.skipif(not ZIG, reason="ziglang is not installed")
in_chromium = pytest.mark.skipif(
    not (CHROMIUM and PLAYWRIGHT and ZIG and HOST_GCC), reason="Chromium, playwright, ziglang or gcc is missing"
)


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def no_zig(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ziglang" else real(name))


def test_a_shipped_model_needs_no_zig_for_its_page(tmp_path, monkeypatch, capsys, no_zig):
    monkeypatch.chdir(tmp_path)
    words = ["live", "utcn_small_int8_static", "-o", "page.html"]
    main(words)
    assert "open page.html in a browser; the latency is 185 ms" in capsys.readouterr().err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "") and "/*@" not in page
    assert 150_000 < len(page) < 400_000
    assert str(tmp_path) not in page
    with pytest.raises(SystemExit):
        main(words)
    assert "page.html already exists" in capsys.readouterr().err
    main([*words, "--overwrite"])


def test_a_folder_is_no_page(tmp_path, capsys):
    for words in ([], ["--overwrite"]):
        with pytest.raises(SystemExit) as ended:
            main(["live", "utcn_live_small", "-o", str(tmp_path), *words])
        assert ended.value.code == 2 and "is a folder" in capsys.readouterr().err


@needs_zig
def test_any_other_model_is_compiled(tmp_path):
    path = write_tiny_model(tmp_path / "model.onnx")
    write_live_page(configuration(model=str(path), engine="stream"), tmp_path / "page.html")
    assert "/*@" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_without_zig_the_extra_is_named(tmp_path, no_zig):
    write_tiny_model(tmp_path / "model.onnx")
    config = configuration(model=str(tmp_path / "model.onnx"), engine="stream")
    with pytest.raises(UserError, match=r"compiler for WebAssembly .*pip install 'sezoo\[mcu\]'"):
        write_live_page(config, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@needs_zig
@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ("MOST_WEIGHTS", {}, "weights; a page has room for 10"),
        ("MOST_MACS", {}, "million multiply-accumulates a second; a browser keeps up"),
        (None, {"engine": "patch"}, "needs the stream engine"),
        (None, {"input_gain": True, "engine": None}, "needs the stream engine"),
        (None, {"input_gain": True}, "deployment.input_gain: found True; deployment.engine: stream has no patches"),
        (None, {"float": True}, "int8"),
    ],
)
def test_models_that_no_page_can_run(tmp_path, monkeypatch, change, settings, message):
    path = write_tiny_model(tmp_path / "model.onnx")
    if settings.pop("float", False):
        onnx.save(graphs.tcnn(), path)
    if change:
        monkeypatch.setattr(live_page, change, 10)
    config = configuration(model=str(path), **{"engine": "stream", **settings})
    with pytest.raises(UserError, match=message):
        write_live_page(config, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


# -- in the browser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The page of a shipped model, and the folder with its package for this computer."""
    folder = tmp_path_factory.mktemp("live")
    model = zoo_model("utcn_small").int8_static
    config = configuration(model=str(model), engine="stream", frames_per_patch=1, sections={"preprocessing": SPECTRUM})
    write_live_page(config, folder / "live.html")
    package = folder / "package"
    package.mkdir()
    write_sources(*program_for(load_onnx(model), model, config), package)
    (package / "host.c").write_text(DENOISE_FILE, encoding="utf-8")
    folders = [f"-I{package / name}" for name in ("include", "src")]
    compiled("-O1", *folders, package / "host.c", *sorted((package / "src").glob("*.c")), "-lm", "-o", package / "host")
    return folder


SPECTRUM = {"sample_rate": RATE, "n_fft": 512, "hop_length": 160, "win_length": 400}


def by_host(live, samples):
    """(n,) int16 through the C code here, its delay left in."""
    package = live / "package"
    (package / "in.s16").write_bytes(samples.astype("<i2").tobytes())
    assert ran(package / "host", folder=package)[0] == 0
    return np.frombuffer((package / "out.s16").read_bytes(), "<i2")


@pytest.fixture(scope="module")
def recording(live):
    """Three seconds of noisy speech: the file, and its samples."""
    samples = soundfile.read(min((DEMO_RECORDINGS / "noisy_testset").glob("*.flac")), dtype="float32")[0]
    samples = to_int16(np.resize(samples, 3 * RATE))
    write_clip(live / "noisy.wav", from_int16(samples), RATE)
    return live / "noisy.wav", samples


MEMORY = "--enable-precise-memory-info"
"""Without it, performance.memory is rounded to steps of several megabytes, and read anew only every 20 minutes."""


@pytest.fixture(scope="module")
def chromium(recording):
    """A browser whose microphone hears the recording."""
    from playwright.sync_api import sync_playwright

    fake = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={recording[0]}")
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", MEMORY, *fake],
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, live):
    """Opens the page from the disk, which may have the microphone; whatever goes wrong in it fails the test."""
    troubles, contexts = [], []

    def open_page(**settings):
        usual = {"viewport": {"width": 1280, "height": 900}, "permissions": ["microphone"]}
        contexts.append(chromium.new_context(**{**usual, **settings}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or troubles.append(asked.url)
        )
        page.goto((live / "live.html").as_uri())
        page.evaluate(COLLECT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


COLLECT = """() => {
  window.blocks = {noisy: [], denoised: []};
  sezooLive.onBlock = (message) => {
    for (const name of ['noisy', 'denoised']) blocks[name].push(...message[name]);
  };
}"""

RENDER = """async ({rate, samples, toggle}) => {
  const context = new OfflineAudioContext(1, samples.length, rate);
  await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(by('worklet').textContent)}`);
  const node = new AudioWorkletNode(context, 'sezoo-live', {
    outputChannelCount: [1], processorOptions: {module: WEBASSEMBLY, rate: MODEL.rate, limit: 200, denoised: true},
  });
  const buffer = new AudioBuffer({length: samples.length, sampleRate: rate});
  buffer.getChannelData(0).set(samples);
  const source = new AudioBufferSourceNode(context, {buffer});
  source.connect(node).connect(context.destination);
  source.start();
  if (toggle) {
    context.suspend(toggle).then(async () => {
      node.port.postMessage({denoised: false});
      await new Promise((resolve) => setTimeout(resolve, 200));
      context.resume();
    });
  }
  const rendered = await context.startRendering();
  return [...rendered.getChannelData(0)];
}"""


def until(page, question, condition, seconds=20):
    """Wait until the answer is so: the page's own policy forbids what Playwright would do this with."""
    end = time.monotonic() + seconds
    while not condition(answer := page.evaluate(question)):
        assert time.monotonic() < end, f"it never came to that: {answer}"
        time.sleep(0.05)
    return answer


def notice(page):
    return page.inner_text("#notice")


def collected(page, calls):
    """What went into the denoiser and came out of it: (n,) int16 each."""
    until(page, "blocks.denoised.length", lambda length: length >= 160 * calls)
    blocks = page.evaluate("({noisy: [...blocks.noisy], denoised: [...blocks.denoised]})")
    return np.array(blocks["noisy"], np.int16), np.array(blocks["denoised"], np.int16)


@in_chromium
def test_what_is_heard_is_what_the_c_code_makes_as_late_as_it_says(opened, live, recording):
    page, samples = opened(), recording[1]
    heard = np.array(page.evaluate(RENDER, {"rate": RATE, "samples": from_int16(samples).tolist()}))
    expected = by_host(live, samples)
    np.testing.assert_array_equal(heard[:160], 0)  # a call's block; the rest of the latency is in the output
    np.testing.assert_array_equal(np.rint(heard[160:] * 32768), expected[:-160])
    assert np.abs(expected).max() > 500


@in_chromium
def test_the_switch_fades_from_one_to_the_other(opened, live, recording):
    page, samples = opened(), recording[1]
    rendered = page.evaluate(RENDER, {"rate": RATE, "samples": from_int16(samples).tolist(), "toggle": 1.6})
    heard = np.array(rendered)[160:] * 32768
    wet = by_host(live, samples)[:-160].astype(float)
    delay = page.evaluate("MODEL.delay")
    dry = np.pad(samples, (delay, 0))[: len(wet)].astype(float)
    switched = np.flatnonzero(np.abs(heard - wet) > 0.6)[0]
    assert abs(switched - 1.6 * RATE) < 400
    np.testing.assert_allclose(heard[switched + 400 :], dry[switched + 400 :], atol=0.6)
    fading = slice(switched, switched + 320)
    share = np.linspace(1, 0, 321)[1:]
    np.testing.assert_allclose(heard[fading], dry[fading] + share * (wet - dry)[fading], atol=60)


@in_chromium
def test_a_microphone_of_another_rate_is_resampled(opened, live, recording):
    page, samples = opened(), from_int16(recording[1])
    time_48k = np.arange(48000) / 48000
    tone = 0.4 * np.sin(2 * np.pi * 1000 * time_48k)
    heard = np.array(page.evaluate(RENDER, {"rate": 48000, "samples": tone.tolist()}))[24000:]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    peak = int(np.argmax(spectrum))
    assert abs(peak * 48000 / len(heard) - 1000) < 3 or np.abs(heard).max() < 0.2  # or the network takes it for noise
    # In real time, the blocks that came in are the recording's, and those that came out the C code's.
    page.evaluate("sezooLive.contextRate = 44100")
    page.set_input_files("#file", recording[0])
    until(page, "sezooLive.context && sezooLive.context.sampleRate", lambda rate: rate == 44100)
    noisy, denoised = collected(page, 150)
    np.testing.assert_array_equal(denoised, by_host(live, noisy))
    lags = np.correlate(noisy[4000:12000].astype(float), samples[4000:12000].astype(float), "full")
    shift = int(np.argmax(lags)) - 7999
    frequencies, spectrum = np.fft.rfftfreq(len(samples)), np.fft.rfft(samples * 32768.0)

    def clearness(later):  # in dB, with the recording so many samples later: where it begins, no sample need be
        wave = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * (shift + later)))[4000:12000]
        return 10 * np.log10(np.sum(wave**2) / np.sum((noisy[4000:12000] - wave) ** 2))

    assert max(clearness(later) for later in np.linspace(-1, 1, 21)) > 12
    assert page.evaluate("sezooLive.underruns") == 0


@in_chromium
def test_the_microphone_goes_through_the_c_code(opened, live):
    page = opened()
    began = time.monotonic()
    page.keyboard.press("m")
    until(page, "blocks.denoised.length", lambda length: length > 0)
    assert time.monotonic() - began < 10
    noisy, denoised = collected(page, 120)
    np.testing.assert_array_equal(denoised, by_host(live, noisy))
    assert np.abs(noisy.astype(int)).max() > 500
    assert "use headphones" in notice(page)
    page.keyboard.press("s")
    until(page, "sezooLive.context === null", bool)
    assert notice(page) == "Stopped." and page.is_enabled("#download")


@in_chromium
def test_a_recording_is_played_and_its_result_can_be_kept(opened, live, recording, tmp_path):
    page, (path, samples) = opened(), recording
    page.set_input_files("#file", path)
    until(page, "sezooLive.result !== null", bool)
    with page.expect_download() as started:
        page.keyboard.press("d")
    assert started.value.suggested_filename == "noisy_denoised.wav"
    started.value.save_as(tmp_path / "result.wav")
    result, rate = soundfile.read(tmp_path / "result.wav", dtype="int16")
    delay = page.evaluate("MODEL.delay")
    whole = by_host(live, np.pad(samples, (0, delay + 160)))
    np.testing.assert_array_equal(result, whole[delay : delay + len(samples)])
    assert rate == RATE
    # With a limit of 0 dB nothing is taken away.
    page.evaluate("by('limit').value = 0; showLimit()")
    until(page, "sezooLive.result !== null", bool)
    same = np.array(page.evaluate("[...sezooLive.result]"))
    assert np.abs(same - samples).max() <= 1
    until(page, "sezooLive.context === null", bool)
    assert "noisy.wav has ended" in notice(page)


@in_chromium
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_loud_recording_goes_in_as_it_is(opened, tmp_path, subtype):
    """Chromium decodes positive samples of 16 bits as 32767ths: those above half of full scale were one too large."""
    samples = np.random.default_rng(2).integers(-32768, 32767, 4000, np.int16)
    samples[:2] = 32767, -32768
    soundfile.write(tmp_path / "loud.wav", from_int16(samples), RATE, subtype)
    page = opened()
    page.set_input_files("#file", tmp_path / "loud.wav")
    until(page, "sezooLive.result !== null", bool)
    decoded = np.array(page.evaluate("[...sezooLive.source.getChannelData(0)]"))
    np.testing.assert_array_equal(np.rint(decoded * 32768), samples)


@in_chromium
def test_a_dropped_file(opened, recording):
    page = opened()
    content = list(recording[0].read_bytes())
    drop = """(bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], 'dropped.wav'));
      document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, content)
    until(page, "blocks.denoised.length", lambda length: length > 0)
    assert notice(page).startswith("Playing dropped.wav, 3.0 s")
    page.evaluate(drop, [1, 2, 3])
    until(page, "by('notice').className", lambda name: "bad" in name)
    assert notice(page).startswith("dropped.wav is no sound that this browser can read")


CHOICES = """async ([bytes, choices]) => {
  window.contexts = [];
  const Real = AudioContext;
  window.AudioContext = function (options) { contexts.push(new Real(options)); return contexts.at(-1); };
  for (const choice of choices) {
    if (choice === 'microphone') listen();
    else play(new File([new Uint8Array(choice === 'text' ? [1, 2, 3] : bytes)], `${choice}.wav`));
  }
}"""


@in_chromium
@pytest.mark.parametrize(
    ("choices", "name", "said"),
    [
        (["one", "other"], "other", "Playing other.wav"),
        (["microphone", "one", "microphone", "other"], "other", "Playing other.wav"),
        (["text", "one", "microphone"], "microphone", "You hear yourself"),
    ],
)
def test_of_sources_chosen_at_once_only_the_last_is_heard(opened, recording, choices, name, said):
    page = opened()
    page.set_input_files("#file", recording[0])  # what plays has to be stopped first, which takes a moment
    until(page, "blocks.denoised.length", lambda length: length > 0)
    page.evaluate(CHOICES, [list(recording[0].read_bytes()), choices])
    until(page, "sezooLive.name", lambda found: found == name)
    until(page, "contexts.filter((one) => one.state !== 'closed').length", lambda count: count == 1)
    time.sleep(0.3)
    assert page.evaluate("[contexts.filter((one) => one.state !== 'closed').length, sezooLive.name]") == [1, name]
    assert notice(page).startswith(said)
    assert page.evaluate("document.querySelectorAll('.source.on').length") == 1


@in_chromium
def test_a_refused_microphone_is_said_and_a_recording_offered(opened, recording):
    page = opened(permissions=[])
    page.click("#microphone")
    until(page, "by('notice').className", lambda name: "bad" in name)
    assert "refused" in notice(page) and "open a recording" in notice(page)
    page.set_input_files("#file", recording[0])
    until(page, "blocks.denoised.length", lambda length: length > 0)


@in_chromium
def test_keys_and_words_for_readers_of_the_screen(opened):
    page = opened()

    def chosen():
        return page.evaluate("[...document.querySelectorAll('[role=radio][aria-checked=true]')].map((one) => one.id)")

    assert chosen() == ["denoised"]
    page.keyboard.press(" ")
    assert chosen() == ["noisy"]
    page.focus("#microphone")
    page.keyboard.press(" ")  # not the button: the one key switches wherever the focus is
    assert chosen() == ["denoised"] and page.evaluate("sezooLive.source") is None
    page.focus("#denoised")
    page.keyboard.press("ArrowLeft")
    assert chosen() == ["noisy"] and page.evaluate("document.activeElement.id") == "noisy"
    page.focus("#limit")
    page.keyboard.press("Home")
    assert page.inner_text("#limit-value") == "0 dB"
    assert page.get_attribute("#limit", "aria-valuetext") == "0 dB"


@in_chromium
@pytest.mark.parametrize(("limit", "shown"), [(0.0, "0 dB"), (12.4, "12 dB"), (40.0, "40 dB"), (60.0, "none")])
def test_the_page_begins_with_the_limit_of_the_settings(opened, live, limit, shown):
    page = opened()
    text = (live / "live.html").read_text(encoding="utf-8").replace('"limit": null', f'"limit": {limit}')
    (live / "limited.html").write_text(text, encoding="utf-8")
    page.goto((live / "limited.html").as_uri())
    assert page.inner_text("#limit-value") == shown


@in_chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.inner_text("h1") == "utcn_small_int8_static"
    assert page.inner_text("#latency") == "185 ms"


@in_chromium
@pytest.mark.long
def test_five_minutes_of_microphone(opened):
    page = opened()
    page.evaluate("sezooLive.onBlock = null")
    page.click("#microphone")
    used, browser = [], page.context.new_cdp_session(page)
    for _ in range(10):
        time.sleep(30)
        browser.send("HeapProfiler.collectGarbage")  # which takes up to 15 MB and more otherwise
        used.append(page.evaluate("performance.memory.usedJSHeapSize"))
    assert page.evaluate("sezooLive.underruns") == 0 and page.evaluate("sezooLive.calls") > 29_000
    assert used[-1] < used[2] + 2**20, used
