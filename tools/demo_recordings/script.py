"""The demo's script: who says what, over which noise, at which SNR."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BABBLE_LINES", "TEST_CLIPS", "TRAIN_CLIPS", "DemoClip"]

TRAIN_SNRS = (0.0, 5.0, 10.0, 15.0)
TEST_SNRS = (2.5, 7.5, 12.5, 17.5)


@dataclass(frozen=True)
class DemoClip:
    """One pair of the set: who says what, over which noise, at which SNR (dB)."""

    number: int
    voice: str
    text: str
    noise: str
    snr: float

    @property
    def name(self) -> str:
        """File name of both recordings, such as `en-gb_f3_007.flac`."""
        return f"{self.voice.replace('+', '_')}_{self.number:03d}.flac"


TRAIN_LINES = (
    ("en-gb+f3", "The ferry leaves the harbour at a quarter past nine."),
    ("en-us+m3", "Could you hand me the blue folder on the top shelf?"),
    ("en-gb-scotland+m1", "We walked along the river until the rain came down."),
    ("en-gb-x-rp+f2", "Nobody had told the gardener about the broken gate."),
    ("en-us+f4", "My sister keeps three old radios in the basement."),
    ("de+m5", "Der Zug nach Hamburg hat heute zwanzig Minuten Verspätung."),
    ("fr-fr+f1", "Le marché ouvre à sept heures le samedi matin."),
    ("es+m4", "Mañana vamos a la playa si no hace mucho viento."),
    ("en-us-nyc+m7", "Turn the volume up, I can hardly hear the speaker."),
    ("de+f5", "Kannst du bitte das Fenster in der Küche schließen?"),
    ("en-gb+m2", "A small yellow boat was tied to the wooden bridge."),
    ("fr-fr+m6", "Il faut trois oeufs et un peu de farine pour ce gâteau."),
    ("es+f2", "El perro de mi vecino duerme siempre debajo del árbol."),
    ("en-gb-x-gbcwmd+f1", "They painted the kitchen before the guests arrived."),
    ("en-gb+f3", "Please leave your message after the long tone."),
    ("en-us+m3", "The library closes early on the last Friday of June."),
    ("en-gb-scotland+m1", "Her brother repairs bicycles in a shop near the station."),
    ("en-gb-x-rp+f2", "Six large boxes were waiting in the hall this morning."),
    ("en-us+f4", "What time does the next bus to the airport leave?"),
    ("de+m5", "Im Garten meiner Großmutter wachsen viele rote Tulpen."),
    ("fr-fr+f1", "Nous avons oublié les clés dans la voiture de Paul."),
    ("es+m4", "La reunión empieza a las cuatro en la segunda planta."),
    ("en-us-nyc+m7", "He ordered soup and bread, and a large cup of coffee."),
    ("de+f5", "Wir treffen uns am Abend vor dem alten Rathaus."),
    ("en-gb+m2", "The children built a castle out of wet sand."),
    ("fr-fr+m6", "La petite maison blanche se trouve derrière la colline."),
    ("es+f2", "Compra pan, leche y dos kilos de naranjas, por favor."),
    ("en-gb-x-gbcwmd+f1", "I would rather take the stairs than wait for the lift."),
)
TEST_LINES = (
    ("en-gb-x-gbclan+m5", "Fresh snow covered the fields on both sides of the road."),
    ("en-us+f1", "Can you tell me which platform the train departs from?"),
    ("de+m6", "Am Sonntag backt mein Onkel immer einen Apfelkuchen."),
    ("fr-be+f4", "Le vieux pont sera fermé pendant toute la semaine."),
    ("es-419+m2", "Mi hermana trabaja en un hospital cerca del centro."),
    ("en-gb+f3", "The doctor wrote the number on the back of a card."),
    ("en-us+m3", "We need a longer cable to reach the second lamp."),
    ("en-gb-x-rp+m4", "An empty glass stood beside the open window."),
    ("en-us+f5", "Nine people signed up for the course in March."),
    ("de+f2", "Die Katze schläft am liebsten auf dem warmen Ofen."),
    ("en-gb-scotland+f2", "Tell him the parcel arrived with the morning post."),
    ("en-029+m7", "The old clock in the tower has stopped again."),
)
BABBLE_LINES = (
    ("en-us+m1", "So I told him that we could meet again next week, after the holidays, if he had the time."),
    ("en-gb+f4", "And then the waiter brought the wrong plates, but nobody really seemed to mind at all."),
    ("en-us+f2", "The second half was much better than the first one, at least from where we were sitting."),
    ("de+m2", "Ich habe gestern lange mit ihm geredet, und er wusste auch nicht mehr als wir alle."),
    ("fr-fr+m3", "On a pris le métro, puis on a marché pendant une heure dans les petites rues du quartier."),
    ("es+f4", "Pues yo creo que deberíamos llamar antes, porque el domingo suele estar todo cerrado."),
    ("en-gb-scotland+f5", "They moved to a bigger house last year, with a garden and a view over the bay."),
    ("en-gb-x-rp+m6", "It was rather a long journey, but the food was good and the company even better."),
    ("it+f3", "Abbiamo comprato i biglietti per il concerto, ma i posti migliori erano già finiti."),
    ("nl+m4", "Morgen ga ik met de fiets naar mijn werk, want het wordt eindelijk weer mooi weer."),
)
TRAIN_NOISES = ("pink", "babble", "car", "kitchen", "wind", "fan", "rain", "traffic")
# Two kinds that training does not have (metro, keyboard), as in Valentini's test set.
TEST_NOISES = ("car", "metro", "kitchen", "fan", "keyboard", "babble", "traffic", "rain", "wind", "metro",
               "babble", "pink")  # fmt: skip

# `i // 8` moves every kind of noise on to another SNR each time round.
TRAIN_CLIPS = tuple(
    DemoClip(i + 1, voice, text, TRAIN_NOISES[i % 8], TRAIN_SNRS[(i + i // 8) % 4])
    for i, (voice, text) in enumerate(TRAIN_LINES)
)
TEST_CLIPS = tuple(
    DemoClip(i + 29, voice, text, TEST_NOISES[i], TEST_SNRS[i % 4]) for i, (voice, text) in enumerate(TEST_LINES)
)
